//! Many cells that are there at the same time, with nothing running in them,
//! and what each of them costs.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cofferdam_tests::dev::children_of;
use cofferdam_tests::measure::Memory;
use cofferdam_tests::measure::memory::kibibytes;
use cofferdam_tests::measure::run::{null, timed};
use cofferdam_tests::measure::spawn::TRUE;
use cofferdam_tests::warden::{Cell, Warden, cell_plan, run_plan, workspace};

/// How long the kernel may work on what it was left before it is asked.
const SETTLE: Duration = Duration::from_secs(2);

/// How long it may clear the namespaces of all those cells away.
const REST: Duration = Duration::from_secs(10);

/// What the kernel counts for the whole machine (proc_meminfo(5)).
const COUNTERS: [&str; 7] =
    ["MemAvailable", "AnonPages", "Shmem", "Slab", "PageTables", "KernelStack", "Percpu"];

/// What was seen. Memory is in KiB, of one cell.
pub(crate) struct Resident {
    pub(crate) count: u32,
    /// Until all of them were ready, one after the other.
    pub(crate) built: Duration,
    /// Until nothing of them was left, one after the other.
    pub(crate) ended: Duration,
    /// PID 1, at the median.
    pub(crate) pss: u64,
    /// PID 1, at the median.
    pub(crate) rss: u64,
    /// What its cgroup was charged, at the median; `None`: it is not told.
    pub(crate) charged: Option<u64>,
    /// By how much each of [`COUNTERS`] changed, towards more use.
    pub(crate) counters: Vec<(&'static str, f64)>,
}

impl Resident {
    /// All that one cell takes from the machine, the worse of two ways to say
    /// so: less available memory, or more in each of the other counters. Both
    /// see what others do at the same time.
    pub(crate) fn mebibytes(&self) -> f64 {
        let Some(((_, available), others)) = self.counters.split_first() else { return f64::NAN };
        let others: f64 = others.iter().map(|(_, kibibytes)| kibibytes).sum();
        available.max(others) / 1024.0
    }
}

/// Builds so many, looks, tries three of them, and ends all.
pub(crate) fn measure(count: u32) -> anyhow::Result<Resident> {
    let (_directory, workspace) = workspace();
    let root = workspace.parent().context("the workspace lies in a directory")?;
    let mut warden = Warden::start_holding(root, count + 1, Stdio::null());
    let cell = |warden: &mut Warden| {
        warden.build(cell_plan(&workspace)).map_err(|problem| anyhow::anyhow!("no cell: {problem}"))
    };
    // The first one pays for what stays with the warden.
    let first = cell(&mut warden)?;
    warden.end(first);
    let before = counters()?;
    let began = Instant::now();
    let mut cells = Vec::new();
    for number in 0..count {
        cells.push(cell(&mut warden).with_context(|| format!("after {number} cells"))?);
    }
    let built = began.elapsed();
    std::thread::sleep(SETTLE);
    let after = counters()?;
    let of = children_of(warden.pid());
    let of: Vec<_> = of.into_iter().map(|(pid, _)| Memory::of(pid)).collect::<Result<_, _>>()?;
    ensure!(of.len() == cells.len(), "{} cells have {} processes", cells.len(), of.len());
    let charged = cells.iter().map(charged).collect::<Option<Vec<_>>>();
    try_some(&cells, &workspace)?;
    let began = Instant::now();
    for cell in cells {
        warden.end(cell);
    }
    let ended = began.elapsed();
    std::thread::sleep(REST);
    let pss = of.iter().map(|memory| memory.pss).collect::<Option<Vec<_>>>();
    Ok(Resident {
        count,
        built,
        ended,
        pss: median(pss.context("the kernel does not tell PSS")?),
        rss: median(of.iter().map(|memory| memory.rss).collect()),
        charged: charged.map(median),
        counters: change(&before, &after, count),
    })
}

/// The first, the middle and the last one still run programs.
fn try_some(cells: &[Cell], workspace: &Path) -> anyhow::Result<()> {
    let null = null()?;
    for cell in [cells.first(), cells.get(cells.len() / 2), cells.last()].into_iter().flatten() {
        timed(&cell.control, run_plan(workspace, &[TRUE]), &null)?;
    }
    Ok(())
}

fn counters() -> anyhow::Result<Vec<u64>> {
    let text = std::fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    COUNTERS.iter().map(|counter| kibibytes(&text, counter)).collect()
}

/// Available memory shrinks where the others grow.
#[expect(clippy::cast_precision_loss, reason = "a rounded number for people")]
fn change(before: &[u64], after: &[u64], count: u32) -> Vec<(&'static str, f64)> {
    let signs = std::iter::once(-1.0).chain(std::iter::repeat(1.0));
    let grown = before.iter().zip(after).zip(signs);
    let grown = grown.map(|((&before, &after), sign)| (after as f64 - before as f64) * sign);
    COUNTERS.into_iter().zip(grown.map(|grown| grown / f64::from(count))).collect()
}

/// Memory of a cell's cgroup, the kernel's for it included, in KiB.
fn charged(cell: &Cell) -> Option<u64> {
    let read = |tree: &str, file: &str| {
        let path = Path::new("/sys/fs/cgroup").join(tree).join(&cell.cgroup).join(file);
        std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
    };
    read("", "memory.current")
        .or_else(|| read("memory", "memory.usage_in_bytes"))
        .map(|bytes| bytes / 1024)
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
