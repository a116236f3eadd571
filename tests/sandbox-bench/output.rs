//! How fast a run's output comes: a pipe out of a cell beside a bare pipe.

use std::io::{PipeReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cofferdam_tests::measure::run::null;
use cofferdam_tests::warden::{Warden, cell_plan, run_plan, workspace};

use crate::work::beside::{Beside, Side};

/// 1 GiB.
pub(crate) const BYTES: usize = 1 << 30;

/// Takes so many rounds.
pub(crate) fn measure(rounds: usize) -> anyhow::Result<Beside> {
    let (_directory, workspace) = workspace();
    let root = workspace.parent().context("the workspace lies in a directory")?;
    let mut warden = Warden::start_logging(root, Stdio::null());
    let cell = warden.build(cell_plan(&workspace)).map_err(anyhow::Error::msg)?;
    let bytes = BYTES.to_string();
    let words = ["/usr/bin/head", "-c", &bytes, "/dev/zero"];
    Beside::take(rounds, |side| match side {
        Side::Inside => {
            let plan = run_plan(&workspace, &words);
            let run = plan.run;
            let began = Instant::now();
            let running = cell.start(plan).map_err(|it| anyhow::anyhow!("no run: {it:?}"))?;
            drain(running.stdout)?;
            let ending = cell.wait(run);
            let took = began.elapsed();
            ensure!(ending.wait_status == 0, "`head` ended with {ending:?}");
            Ok(took)
        }
        Side::Outside => bare(&words),
    })
}

fn bare(words: &[&str]) -> anyhow::Result<Duration> {
    let (reader, writer) = std::io::pipe()?;
    let [program, arguments @ ..] = words else { anyhow::bail!("no program") };
    let mut command = Command::new(program);
    command.args(arguments).stdin(null()?).stderr(null()?).stdout(writer);
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start `{program}`"))?;
    // It holds the writing end, too.
    drop(command);
    drain(reader)?;
    let status = child.wait()?;
    let took = began.elapsed();
    ensure!(status.success(), "`{program}` ended with {status}");
    Ok(took)
}

fn drain(mut reader: PipeReader) -> anyhow::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut all = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            some => all += some,
        }
    }
    ensure!(all == BYTES, "{all} bytes came of {BYTES}");
    Ok(())
}
