//! The yardstick: one process, started and waited for, with nothing around it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// The program that every run of the turns executes.
pub const TRUE: &str = "/usr/bin/true";

/// The standard library's `posix_spawn`, from start to exit.
pub fn bare() -> anyhow::Result<Duration> {
    let began = Instant::now();
    let status = Command::new(TRUE).status().with_context(|| format!("cannot start `{TRUE}`"))?;
    let took = began.elapsed();
    ensure!(status.success(), "`{TRUE}` ended with {status}");
    Ok(took)
}
