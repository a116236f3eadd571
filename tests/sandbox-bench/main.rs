//! `cofferdam-bench-sandbox`: what the sandbox costs, beside a bare spawn and
//! beside the sandboxes that a user could take instead, measured in one run.
//!
//! Everything is the real thing: the warden beside this program, cells on this
//! kernel, the other tools as they are installed here. Nothing is installed by
//! it; what is not here is named. What is compared is measured in turns, in
//! another order each round, so that a machine that grows slower slows all of
//! it, and nobody always follows the same one. `make bench-sandbox` runs this
//! and keeps what it prints in `tests/bench/SANDBOX.md`.
#![forbid(unsafe_code)]

mod cells;
mod kill;
mod order;
mod output;
mod rate;
mod ratios;
mod report;
mod resident;
mod rest;
mod target;
mod tools;
mod turns;
mod work;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use cofferdam_tests::measure::Machine;
use cofferdam_tests::warden;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use report::Report;

/// Measures the sandbox on this machine and writes the results.
#[derive(Parser)]
#[command(name = "cofferdam-bench-sandbox")]
struct Options {
    /// How often each way to run a program is measured.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// How often each piece of sustained work is measured, inside and outside.
    #[arg(long, default_value_t = 20)]
    pairs: usize,
    /// Cells that are built, used and ended one after the other, for their rate.
    #[arg(long, default_value_t = 400)]
    cells: usize,
    /// Cells that are there at the same time.
    #[arg(long, default_value_t = 1000)]
    resident: u32,
    /// Processes that are killed at once.
    #[arg(long, default_value_t = 400)]
    processes: usize,
    /// The date to print; today's where it is not given.
    #[arg(long)]
    date: Option<String>,
    /// Where the results are written.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/SANDBOX.md"))]
    output: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ensure!(warden::is_root(), "run this as root: cells of an ordinary user have no cgroup");
    allow_descriptors()?;
    let report = measure(&options)?.to_string();
    print!("{report}");
    std::fs::write(&options.output, report)
        .with_context(|| format!("cannot write `{}`", options.output.display()))
}

fn measure(options: &Options) -> anyhow::Result<Report> {
    let load = std::fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    // The sizes of what is made first do not depend on what was measured before.
    tell("cells that stay");
    let resident = resident::measure(options.resident)?;
    tell("one program, in turns");
    let turns = turns::take(options.rounds)?;
    tell("cells per second");
    let rates = rate::measure(options.cells)?;
    tell("the end of many processes");
    let kills = kill::measure(options.processes, options.pairs)?;
    tell("output");
    let output = output::measure(options.pairs)?;
    tell("sustained work");
    let work = work::measure(options.pairs)?;
    let machine = Machine::look(options.date.clone())?;
    Ok(Report { machine, load, resident, turns, rates, kills, output, work })
}

/// One line for whoever waits.
fn tell(what: &str) {
    eprintln!("measuring: {what}");
}

/// As many open files as may be had, for this program and for the warden that
/// it starts: each cell is held by a few descriptors of both.
fn allow_descriptors() -> anyhow::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot allow as many open files as the hard limit says")
}
