//! Runs at the warden itself, without agent and gateway: in a cell that is
//! built for the run and destroyed with it, and in one that stays.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use cofferdam_plan::{CellPlan, RunPlan};
use cofferdam_tests::measure::run::{null, timed};
use cofferdam_tests::measure::spawn::TRUE;
use cofferdam_tests::warden::{Cell, Warden, cell_plan, run_plan};

/// A warden with one warm cell.
pub(crate) struct Cells {
    warm: Cell,
    warden: Warden,
    workspace: PathBuf,
    run: RunPlan,
    null: File,
}

/// When the parts of a one-shot run were done, each from the start.
pub(crate) struct OneShot {
    /// The run ended: what a caller waits for.
    pub(crate) ended: Duration,
    /// Nothing of the cell is left.
    pub(crate) gone: Duration,
}

impl Cells {
    pub(crate) fn start(workspace: &Path) -> anyhow::Result<Self> {
        let root = workspace.parent().context("the workspace lies in a directory")?;
        let mut warden = Warden::start_logging(root, Stdio::null());
        let warm = build(&mut warden, cell_plan(workspace))?;
        let run = run_plan(workspace, &[TRUE]);
        Ok(Self { warm, warden, workspace: workspace.to_owned(), run, null: null()? })
    }

    /// The warden's pid. The one process beneath it is the warm cell's PID 1.
    pub(crate) fn warden_pid(&self) -> u32 {
        self.warden.pid()
    }

    /// A run in the warm cell, from the request to PID 1 to its word that
    /// nothing of the run is left.
    pub(crate) fn warm(&self) -> anyhow::Result<Duration> {
        timed(&self.warm.control, self.run.clone(), &self.null)
    }

    /// A cell, a run in it, and the end of the cell.
    pub(crate) fn one_shot(&mut self) -> anyhow::Result<OneShot> {
        let plan = cell_plan(&self.workspace);
        let began = Instant::now();
        let cell = build(&mut self.warden, plan)?;
        timed(&cell.control, self.run.clone(), &self.null)?;
        let ended = began.elapsed();
        self.warden.end(cell);
        Ok(OneShot { ended, gone: began.elapsed() })
    }
}

fn build(warden: &mut Warden, plan: CellPlan) -> anyhow::Result<Cell> {
    warden.build(plan).map_err(|problem| anyhow::anyhow!("no cell: {problem}"))
}
