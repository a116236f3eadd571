//! One run at the PID 1 of a cell, for its time.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use cofferdam_plan::channel::{receive, send};
use cofferdam_plan::{CellEvent, CellRequest, RunPlan};

/// Starts a run over a cell's control socket. Its streams are all `null`, or the
/// terminal that its plan asks for. Takes the time from the request to PID 1's
/// word that nothing of the run is left.
///
/// # Errors
/// When it does not start, or ends with anything but an exit code of 0.
pub fn timed(control: &UnixStream, plan: RunPlan, null: &File) -> anyhow::Result<Duration> {
    let program = String::from_utf8_lossy(&plan.program).into_owned();
    let streams = [null.as_fd(); 3];
    let given = if plan.terminal.is_some() { &[] } else { &streams[..] };
    // What comes with the start stays open until the end: a terminal that is
    // closed would hang the run up.
    let mut kept = Vec::new();
    let began = Instant::now();
    send(control, &CellRequest::Start(plan), given)?;
    loop {
        match receive::<CellEvent>(control)? {
            (CellEvent::Started { .. }, descriptors) => kept = descriptors,
            (CellEvent::Ended { ending, .. }, _) => {
                let took = began.elapsed();
                ensure!(ending.wait_status == 0, "`{program}` ended with {ending:?}");
                drop(kept);
                return Ok(took);
            }
            (other, _) => bail!("`{program}` did not start: {other:?}"),
        }
    }
}

/// What a run without streams has for them.
///
/// # Errors
/// When the host has no /dev/null.
pub fn null() -> std::io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}
