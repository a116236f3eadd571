//! A rest before each time that is taken, until this machine does nothing else.

use std::time::{Duration, Instant};

use anyhow::Context;

/// At least so long: the kernel clears namespaces and cgroups away after the
/// process that had them is gone.
const PAUSE: Duration = Duration::from_millis(3);
/// At most so long.
const PATIENCE: Duration = Duration::from_millis(250);

/// Rests, and counts how often something else went on all the same.
#[derive(Default)]
pub(crate) struct Rest {
    disturbed: usize,
}

impl Rest {
    /// Waits until nothing but this program wants to run, but not for ever.
    pub(crate) fn take(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            std::thread::sleep(PAUSE);
            if running()? <= 1 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                self.disturbed += 1;
                return Ok(());
            }
        }
    }

    /// Times that were taken although something else went on.
    pub(crate) fn disturbed(&self) -> usize {
        self.disturbed
    }
}

/// Threads that run or want to, this one too (`/proc/loadavg`, fourth field).
fn running() -> anyhow::Result<u32> {
    let text = std::fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
    let counts = text.split(' ').nth(3).and_then(|counts| counts.split_once('/'));
    let running = counts.and_then(|(running, _)| running.parse().ok());
    running.context("/proc/loadavg does not say how many threads run")
}
