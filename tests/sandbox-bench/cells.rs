//! Our own ways to run a program: in a cell that is there, in one that was
//! prepared, and in one that is built for it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use cofferdam_plan::{Limits, RunPlan, TerminalSize};
use cofferdam_tests::measure::run::{null, timed};
use cofferdam_tests::measure::spawn::TRUE;
use cofferdam_tests::warden::{Cell, Warden, cell_plan, run_plan};

/// Prepared cells of one plan, as many as the agent keeps.
const STOCK: usize = 1;

/// How a program is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// In the warm cell; its cgroup leaf is made before.
    Warm,
    /// In the warm cell; its cgroup leaf is made in the measured time.
    WarmWithLeaf,
    /// In the warm cell and the cell's own cgroup.
    WarmAlone,
    /// In the warm cell, with a leaf made before, on a terminal of its own.
    WarmTerminal,
    /// In a cell from the stock, which dies with it.
    Stocked,
    /// In a cell that is built in the measured time and dies with it.
    Built,
}

/// What one run took, each from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    /// Until it ended: what a caller waits for.
    pub(crate) ended: Duration,
    /// Until nothing of its cell was left.
    pub(crate) gone: Option<Duration>,
}

/// A warden, a warm cell and a stock.
pub(crate) struct Cells {
    warden: Warden,
    warm: Cell,
    stock: Vec<Cell>,
    workspace: PathBuf,
    null: File,
    /// The number of the latest leaf.
    leaf: u32,
}

impl Way {
    pub(crate) const ALL: [Self; 6] = [
        Self::Warm,
        Self::WarmWithLeaf,
        Self::WarmAlone,
        Self::WarmTerminal,
        Self::Stocked,
        Self::Built,
    ];

    /// Whether its leaf is there before its time begins.
    const fn has_leaf_ahead(self) -> bool {
        matches!(self, Self::Warm | Self::WarmTerminal)
    }
}

impl Cells {
    pub(crate) fn start(workspace: &Path) -> anyhow::Result<Self> {
        let root = workspace.parent().context("the workspace lies in a directory")?;
        let mut warden = Warden::start_logging(root, Stdio::null());
        let warm = build(&mut warden, workspace)?;
        let (stock, workspace) = (Vec::new(), workspace.to_owned());
        Ok(Self { warden, warm, stock, workspace, null: null()?, leaf: 0 })
    }

    /// What is done ahead and not counted: the run's leaf, the stock.
    pub(crate) fn prepare(&mut self, way: Way) -> anyhow::Result<()> {
        while self.stock.len() < STOCK {
            let cell = build(&mut self.warden, &self.workspace)?;
            self.stock.push(cell);
        }
        if way.has_leaf_ahead() { self.make_leaf() } else { Ok(()) }
    }

    /// One run.
    pub(crate) fn run(&mut self, way: Way) -> anyhow::Result<Took> {
        let began = Instant::now();
        match way {
            Way::WarmWithLeaf => self.make_leaf()?,
            Way::Warm | Way::WarmAlone | Way::WarmTerminal | Way::Stocked | Way::Built => {}
        }
        let own = match way {
            Way::Stocked => Some(self.stock.pop().context("the stock is empty")?),
            Way::Built => Some(build(&mut self.warden, &self.workspace)?),
            Way::Warm | Way::WarmWithLeaf | Way::WarmAlone | Way::WarmTerminal => None,
        };
        let cell = own.as_ref().unwrap_or(&self.warm);
        timed(&cell.control, self.plan(way), &self.null)?;
        let ended = began.elapsed();
        let gone = own.map(|cell| {
            self.warden.end(cell);
            began.elapsed()
        });
        Ok(Took { ended, gone })
    }

    /// What is done afterwards and not counted: the run's leaf goes.
    pub(crate) fn tidy(&mut self, way: Way) {
        if way.has_leaf_ahead() || way == Way::WarmWithLeaf {
            self.warden.remove_leaf(&self.warm, self.leaf);
        }
    }

    fn make_leaf(&mut self) -> anyhow::Result<()> {
        self.leaf += 1;
        // As the agent's: all that a run's leaf can limit.
        let limits = Limits {
            memory_bytes: 128 << 20,
            processes: 32,
            cpu_millis: 2000,
            ..Limits::default()
        };
        self.warden.leaf(&self.warm, self.leaf, limits).map(drop).map_err(anyhow::Error::msg)
    }

    fn plan(&self, way: Way) -> RunPlan {
        let leaf = match way {
            Way::Warm | Way::WarmWithLeaf | Way::WarmTerminal => self.leaf,
            // The cell's own cgroup counts and limits its only run.
            Way::WarmAlone | Way::Stocked | Way::Built => 0,
        };
        let terminal = (way == Way::WarmTerminal).then_some(TerminalSize { rows: 24, columns: 80 });
        RunPlan { leaf, terminal, ..run_plan(&self.workspace, &[TRUE]) }
    }
}

fn build(warden: &mut Warden, workspace: &Path) -> anyhow::Result<Cell> {
    warden.build(cell_plan(workspace)).map_err(|problem| anyhow::anyhow!("no cell: {problem}"))
}
