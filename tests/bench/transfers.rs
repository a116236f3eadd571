//! A large file by `cofferdam cp`, up and down, beside the bare disk, and what memory
//! the parts hold at most meanwhile.
//!
//! A Cofferdam of its own: the most that its parts ever held is theirs for this.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cofferdam_tests::dev::Dev;
use cofferdam_tests::measure::{Memory, Samples};
use cofferdam_tests::programs::program;

/// How often each way is timed.
const ROUNDS: usize = 3;
/// Bytes written at once.
const CHUNK: usize = 1 << 20;

/// How long each way took.
pub(crate) struct Transfers {
    mebibytes: usize,
    ways: Vec<(&'static str, Samples)>,
    /// Of each part: before, and the most.
    parts: Vec<(String, u64, u64)>,
}

/// Moves a file of so many mebibytes.
pub(crate) fn measure(mebibytes: usize) -> anyhow::Result<Transfers> {
    let dev = Dev::start();
    let (here, there) = (dev.directory.path().join("large"), dev.workspace.join("large"));
    let back = dev.directory.path().join("back");
    let host = host(&dev)?;
    let remote = format!("{host}:large");
    // The worker is there from its first call on.
    fs::write(dev.workspace.join("small"), "small")?;
    copy(&dev, &format!("{host}:small"), "/dev/null")?;
    let before = parts(&dev)?;
    fill(&here, mebibytes)?;
    let mut ways: Vec<(&'static str, Vec<Duration>)> = vec![
        ("written and synced to the disk, bare", Vec::new()),
        ("up: hashed, sent, hashed, written, synced", Vec::new()),
        ("down to /dev/null", Vec::new()),
        ("down to a file, synced", Vec::new()),
    ];
    for _ in 0..ROUNDS {
        let times = [
            timed(|| fill(&back, mebibytes))?,
            timed(|| copy(&dev, path(&here)?, &remote))?,
            timed(|| copy(&dev, &remote, "/dev/null"))?,
            timed(|| copy(&dev, &remote, path(&back)?))?,
        ];
        ensure!(fs::metadata(&there)?.len() == (mebibytes << 20) as u64, "not all is there");
        ways.iter_mut().zip(times).for_each(|((_, all), time)| all.push(time));
    }
    let after = parts(&dev)?;
    let most = |name: &str| after.iter().find(|it| it.name == name).map(|it| it.peak);
    let parts = before.into_iter().filter_map(|it| Some((most(&it.name)?, it)));
    let parts = parts.map(|(most, it)| (it.name, it.rss, most)).collect();
    let ways = ways.into_iter().map(|(way, times)| (way, times.into_iter().collect())).collect();
    Ok(Transfers { mebibytes, ways, parts })
}

/// `cofferdam dev`'s parts, and the file worker in its cell.
fn parts(dev: &Dev) -> anyhow::Result<Vec<Memory>> {
    let mut parts = crate::memory::of_parts(dev)?;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // Processes come and go meanwhile.
        let Ok(memory) = Memory::of(pid) else { continue };
        if memory.name == "cofferdam-files" && !parts.iter().any(|it| it.name == memory.name) {
            parts.push(memory);
        }
    }
    Ok(parts)
}

fn host(dev: &Dev) -> anyhow::Result<String> {
    let listed = dev.tool("list_hosts", &serde_json::json!({}));
    let name = listed["result"]["structuredContent"]["hosts"][0]["name"].as_str();
    name.map(str::to_owned).context("the host has no name")
}

fn copy(dev: &Dev, from: &str, to: &str) -> anyhow::Result<()> {
    let status = Command::new(program("cofferdam"))
        .args(["cp", from, to])
        .env("COFFERDAM_URL", dev.told("mcp_url"))
        .env("COFFERDAM_TOKEN", dev.told("token"))
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "cofferdam cp {from} {to}: {status}");
    Ok(())
}

/// Bytes of which no two chunks are alike.
fn fill(path: &Path, mebibytes: usize) -> anyhow::Result<()> {
    let mut file = File::create(path)?;
    let mut chunk: Vec<u8> =
        (0..CHUNK).map(|at| u8::try_from(at * 31 % 251).unwrap_or(0)).collect();
    for number in 0..mebibytes {
        chunk[..8].copy_from_slice(&(number as u64).to_le_bytes());
        file.write_all(&chunk)?;
    }
    Ok(file.sync_all()?)
}

fn timed(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed())
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the path is UTF-8")
}

impl fmt::Display for Transfers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mebibytes, ways, parts } = self;
        writeln!(f, "## Large files\n")?;
        writeln!(f, "`cofferdam cp` with {mebibytes} MiB, everything on this machine.\n")?;
        writeln!(f, "| way | MB a second |\n|---|--:|")?;
        for (way, times) in ways {
            let millis = times.median().as_millis().max(1);
            let rate = (u128::try_from(*mebibytes).unwrap_or(0) << 20) / millis / 1000;
            writeln!(f, "| {way} | {rate} |")?;
        }
        writeln!(f, "\n| part | KiB before | KiB at most |\n|---|--:|--:|")?;
        for (name, before, most) in parts {
            writeln!(f, "| {name} | {before} | {most} |")?;
        }
        writeln!(f)
    }
}
