//! `cofferdam-bench`: what a call costs, as ratios to a bare spawn that is
//! measured in the same run; how many calls a second; how much memory.
//!
//! Everything is the real thing: the programs beside this one, a whole
//! Cofferdam as `cofferdam dev` starts it, policy and durable records on. What
//! is compared is measured in turns, so that a machine that grows slower slows
//! all of it. `make bench` runs this and keeps what it prints in
//! `tests/bench/RESULTS.md`.

mod agent;
mod cells;
mod disk;
mod enrolment;
mod files;
mod load;
mod mcp;
mod memory;
mod output;
mod reconnection;
mod report;
mod transfers;
mod turns;
mod upgrade;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use cofferdam_tests::dev::{Dev, children_of};
use cofferdam_tests::measure::Machine;
use cofferdam_tests::warden;

use report::Report;

/// Measures Cofferdam on this machine and writes the results.
#[derive(Parser)]
#[command(name = "cofferdam-bench")]
struct Options {
    /// How often each thing is measured in turns.
    #[arg(long, default_value_t = 300)]
    rounds: usize,
    /// Seconds of each load.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Callers at the same time, one load for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    callers: Vec<usize>,
    /// Mebibytes of the tree that is searched.
    #[arg(long, default_value_t = 1024)]
    search_mebibytes: usize,
    /// Mebibytes that a run prints.
    #[arg(long, default_value_t = 1024)]
    print_mebibytes: u64,
    /// Mebibytes of the file that is copied up and down.
    #[arg(long, default_value_t = 1024)]
    copy_mebibytes: usize,
    /// Only these parts; what is found is printed and not kept.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// The date to print; today's where it is not given.
    #[arg(long)]
    date: Option<String>,
    /// Where the results are written.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/RESULTS.md"))]
    output: PathBuf,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One call, in turns with a bare spawn.
    Turns,
    /// Many callers.
    Loads,
    /// What runs print.
    Output,
    /// Content search.
    Search,
    /// Large files.
    Transfers,
    /// Hosts that join, and certificates that renew.
    Enrolment,
    /// Hosts that come back to their gateway.
    Reconnection,
    /// An agent that is restarted under a reader.
    Upgrade,
}

impl Options {
    /// What `measured` gives, where the part is asked for.
    fn part<T>(
        &self,
        part: Part,
        measured: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        let is_asked = self.only.is_empty() || self.only.contains(&part);
        is_asked.then(measured).transpose()
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    end_children_on_panic();
    let report = measure(&options)?.to_string();
    print!("{report}");
    if !options.only.is_empty() {
        return Ok(());
    }
    std::fs::write(&options.output, report)
        .with_context(|| format!("cannot write `{}`", options.output.display()))
}

fn measure(options: &Options) -> anyhow::Result<Report> {
    let (_directory, workspace) = warden::workspace();
    let mut cells = cells::Cells::start(&workspace)?;
    let dev = Dev::start();
    files::prepare(&dev)?;
    let mut mcp = mcp::Client::connect(&dev)?;
    let seen = mcp.look_around()?;
    let mut agent = agent::Client::connect(&dev, &seen)?;
    std::thread::sleep(Duration::from_secs(2));
    let idle = memory::of_parts(&dev)?;
    let cell = memory::of_idle_cell(&cells)?;
    let disk = disk::Disk::beside(dev.directory.path())?;
    let turns = options.part(Part::Turns, || {
        turns::take(options.rounds, &mut cells, &mut agent, &mut mcp, &disk)
    })?;
    let loads = options.part(Part::Loads, || loads(options, &dev))?.unwrap_or_default();
    let peak = memory::of_parts(&dev)?;
    let printed = options.part(Part::Output, || {
        // Nobody answered for the connection meanwhile, so that it is closed by now.
        let mut agent = agent::Client::connect(&dev, &seen)?;
        output::measure(&dev, &mut agent, options.print_mebibytes)
    })?;
    let search =
        options.part(Part::Search, || files::search(&dev, options.search_mebibytes))?.flatten();
    drop(dev);
    let transfers = options.part(Part::Transfers, || transfers::measure(options.copy_mebibytes))?;
    let enrolments = options.part(Part::Enrolment, enrolment::measure)?;
    let reconnections = options.part(Part::Reconnection, || Ok(reconnection::measure()))?;
    let upgrades = options.part(Part::Upgrade, upgrade::measure)?;
    Ok(Report {
        machine: Machine::look(options.date.clone())?,
        rounds: options.rounds,
        turns,
        loads,
        idle,
        peak,
        printed,
        search,
        transfers,
        enrolments,
        reconnections,
        upgrades,
        cell,
    })
}

fn loads(options: &Options, dev: &Dev) -> anyhow::Result<Vec<load::Load>> {
    let mut loads = Vec::new();
    for work in load::Work::ALL {
        for &callers in &options.callers {
            loads.push(load::drive(dev, work, callers, Duration::from_secs(options.seconds))?);
        }
    }
    Ok(loads)
}

/// A panic in a release build drops nothing: the programs that were started
/// must be told to end before it aborts.
fn end_children_on_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        for (pid, _) in children_of(std::process::id()) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
                _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
    }));
}
