//! The end of many processes at once: of one run, and of one process group
//! that has nothing around it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cofferdam_plan::{CellRequest, Limits, RunId};
use cofferdam_tests::warden::{Cell, Warden, cell_plan, run_plan, workspace};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process_group, set_child_subreaper, waitpgid,
};

use crate::order::Order;

/// Cgroups of a cell and a run that hold them all.
const MOST: u32 = 512;

/// What ends them.
const RUN: RunId = RunId([1; 16]);

/// How long each end took, in the order of the rounds.
pub(crate) struct Kills {
    pub(crate) processes: usize,
    /// SIGKILL to the process group, until all are reaped.
    pub(crate) bare: Vec<Duration>,
    /// Asked of PID 1 to be killed, until it says that nothing is left.
    pub(crate) killed: Vec<Duration>,
    /// The same with SIGTERM first.
    pub(crate) cancelled: Vec<Duration>,
}

/// One cell, and a shell that starts all the others.
struct Scene {
    warden: Warden,
    cell: Cell,
    workspace: PathBuf,
    script: String,
    leaf: u32,
}

/// Takes so many rounds.
pub(crate) fn measure(processes: usize, rounds: usize) -> anyhow::Result<Kills> {
    ensure!(processes + 2 <= MOST as usize, "{MOST} processes at most, two of them our own");
    // What the shell leaves behind is reaped here and not by the machine's PID 1.
    set_child_subreaper(Some(getpid())).context("cannot reap orphans")?;
    let (_directory, workspace) = workspace();
    let root = workspace.parent().context("the workspace lies in a directory")?;
    let mut warden = Warden::start_logging(root, Stdio::null());
    let mut plan = cell_plan(&workspace);
    plan.limits.processes = MOST;
    let cell = warden.build(plan).map_err(anyhow::Error::msg)?;
    let script = format!(
        "i=0; while [ $i -lt {} ]; do sleep 1000 & i=$((i+1)); done; echo ready; wait",
        processes - 1
    );
    let mut scene = Scene { warden, cell, workspace, script, leaf: 0 };
    let mut kills =
        Kills { processes, bare: Vec::new(), killed: Vec::new(), cancelled: Vec::new() };
    let mut order = Order::new();
    for _ in 0..rounds {
        for which in order.of(3) {
            match which {
                0 => kills.bare.push(scene.bare()?),
                1 => kills.killed.push(scene.run(&CellRequest::Kill(RUN))?),
                _ => kills.cancelled.push(scene.run(&CellRequest::Cancel(RUN))?),
            }
        }
    }
    Ok(kills)
}

impl Scene {
    fn run(&mut self, end: &CellRequest) -> anyhow::Result<Duration> {
        self.leaf += 1;
        let limits = Limits {
            memory_bytes: 256 << 20,
            processes: MOST,
            cpu_millis: 2000,
            ..Limits::default()
        };
        self.warden.leaf(&self.cell, self.leaf, limits).map_err(anyhow::Error::msg)?;
        let mut plan = run_plan(&self.workspace, &["sh", "-c", &self.script]);
        (plan.run, plan.leaf) = (RUN, self.leaf);
        let running = self.cell.start(plan).map_err(|it| anyhow::anyhow!("no run: {it:?}"))?;
        wait_ready(&running.stdout)?;
        let began = Instant::now();
        self.cell.tell(end);
        let ending = self.cell.wait(RUN);
        let took = began.elapsed();
        ensure!(ending.cancelled, "the run ended by itself: {ending:?}");
        self.warden.remove_leaf(&self.cell, self.leaf);
        Ok(took)
    }

    fn bare(&self) -> anyhow::Result<Duration> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &self.script]).stdin(Stdio::null()).process_group(0);
        let mut shell = shell.stdout(Stdio::piped()).spawn().context("cannot start a shell")?;
        wait_ready(shell.stdout.take().context("the shell has no output")?)?;
        let group = Pid::from_raw(shell.id().cast_signed()).context("the shell has no pid")?;
        let began = Instant::now();
        kill_process_group(group, Signal::KILL)?;
        // Ends with ECHILD, when nobody of the group is left.
        while waitpgid(group, WaitOptions::empty()).is_ok() {}
        Ok(began.elapsed())
    }
}

fn wait_ready(output: impl std::io::Read) -> anyhow::Result<()> {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    ensure!(line == "ready\n", "the processes are not there: {line}");
    Ok(())
}
