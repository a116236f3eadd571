//! Sustained work: the same program inside a cell and outside, where what the
//! sandbox costs is no longer its beginning and its end.

pub(crate) mod beside;
mod files;
mod project;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cofferdam_plan::{Limits, RunLimits};
use cofferdam_tests::measure::run::{null, timed};
use cofferdam_tests::warden::{Cell, Warden, cell_plan, run_plan, workspace};

use beside::{Beside, Side};

/// Forks of the shell's loop.
const FORKS: usize = 500;

/// One piece of work.
pub(crate) struct Work {
    pub(crate) what: String,
    /// The times; or why there are none.
    pub(crate) times: anyhow::Result<Beside>,
}

/// A cell, and the same workspace outside.
struct Site {
    warden: Warden,
    cell: Cell,
    workspace: PathBuf,
    null: File,
    leaf: u32,
}

/// Takes so many rounds of each.
pub(crate) fn measure(rounds: usize) -> anyhow::Result<Vec<Work>> {
    let (_directory, workspace) = workspace();
    let root = workspace.parent().context("the workspace lies in a directory")?;
    let mut warden = Warden::start_logging(root, Stdio::null());
    let mut plan = cell_plan(&workspace);
    plan.limits.memory_bytes = 1 << 30;
    plan.limits.processes = 512;
    let cell = warden.build(plan).map_err(anyhow::Error::msg)?;
    std::fs::create_dir(workspace.join("tmp"))?;
    let mut site = Site { warden, cell, workspace, null: null()?, leaf: 0 };
    let forking = format!("i=0; while [ $i -lt {FORKS} ]; do /usr/bin/true; i=$((i+1)); done");
    let forking = ["/bin/sh", "-c", &forking];
    let directory = site.workspace.clone();
    let make = project::make(&directory).and_then(|project| {
        site.beside(rounds, &project, &["make", "-j2"], || project::clean(&project))
    });
    let forks = site.beside(rounds, &directory, &forking, || Ok(()));
    let status = files::make(&directory)
        .and_then(|tree| site.beside(rounds, &tree, &["git", "status", "--short"], || Ok(())));
    Ok(vec![
        Work { what: format!("`make -j2` of {} C files", project::FILES), times: make },
        Work { what: format!("a shell that runs `true` {FORKS} times"), times: forks },
        Work { what: format!("`git status` in {} files", files::FILES), times: status },
    ])
}

impl Site {
    /// The same words inside and outside. Before each time, `again` undoes what
    /// the one before did.
    fn beside(
        &mut self,
        rounds: usize,
        directory: &Path,
        words: &[&str],
        again: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<Beside> {
        Beside::take(rounds, |side| {
            again()?;
            match side {
                Side::Inside => self.inside(directory, words),
                Side::Outside => self.outside(directory, words),
            }
        })
    }

    fn inside(&mut self, directory: &Path, words: &[&str]) -> anyhow::Result<Duration> {
        self.leaf += 1;
        let limits =
            Limits { memory_bytes: 1 << 30, processes: 500, cpu_millis: 2000, ..Limits::default() };
        self.warden.leaf(&self.cell, self.leaf, limits).map_err(anyhow::Error::msg)?;
        let mut plan = run_plan(directory, words);
        plan.leaf = self.leaf;
        plan.environment =
            self.environment().map(|(key, value)| format!("{key}={value}").into_bytes()).into();
        plan.limits = RunLimits { wall_millis: 300_000, ..plan.limits };
        let took = timed(&self.cell.control, plan, &self.null)?;
        self.warden.remove_leaf(&self.cell, self.leaf);
        Ok(took)
    }

    fn outside(&self, directory: &Path, words: &[&str]) -> anyhow::Result<Duration> {
        let [program, arguments @ ..] = words else { anyhow::bail!("no program") };
        let mut command = Command::new(program);
        let streams = || self.null.try_clone().map(Stdio::from);
        command.args(arguments).current_dir(directory).env_clear().envs(self.environment());
        command.stdin(streams()?).stdout(streams()?).stderr(streams()?);
        let began = Instant::now();
        let status = command.status().with_context(|| format!("cannot start `{program}`"))?;
        let took = began.elapsed();
        ensure!(status.success(), "`{program}` ended with {status}");
        Ok(took)
    }

    /// Both sides have the same, with the same directory for temporary files: a
    /// cell's /tmp is memory, and the host's may be a disk.
    fn environment(&self) -> [(&'static str, String); 4] {
        let workspace = self.workspace.display();
        [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("HOME", workspace.to_string()),
            ("TMPDIR", format!("{workspace}/tmp")),
            // Looking must not change what is looked at.
            ("GIT_OPTIONAL_LOCKS", "0".to_owned()),
        ]
    }
}
