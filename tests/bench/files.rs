//! What file tools cost: a small read, and a search beside ripgrep's.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cofferdam_tests::dev::Dev;
use cofferdam_tests::measure::Samples;

use crate::mcp::Client;

/// The file that is read.
pub(crate) const SMALL: &str = "small.txt";
/// What is searched for: it stands in few files.
const NEEDLE: &str = "a needle in the hay";
/// Bytes of each file of the tree.
const FILE: usize = 48 * 1024;
/// How often each search is timed.
const ROUNDS: usize = 7;

/// How long searches took.
pub(crate) struct Searched {
    pub(crate) mebibytes: usize,
    pub(crate) files: usize,
    pub(crate) ours: Samples,
    pub(crate) theirs: Samples,
}

/// Makes the file that is read.
pub(crate) fn prepare(dev: &Dev) -> anyhow::Result<()> {
    Ok(fs::write(dev.workspace.join(SMALL), "sixteen bytes..\n".repeat(64))?)
}

/// Searches a tree of so many mebibytes, in turns with ripgrep.
pub(crate) fn search(dev: &Dev, mebibytes: usize) -> anyhow::Result<Option<Searched>> {
    if Command::new("rg").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Ok(None);
    }
    let files = tree(dev, mebibytes)?;
    // A connection that was idle meanwhile is closed by now.
    let mut mcp = Client::connect(dev)?;
    let request = mcp.search(NEEDLE);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first of each fills the caches.
    for round in 0..=ROUNDS {
        let (rg, found) = ripgrep(dev)?;
        let began = Instant::now();
        let answer = mcp.call(&request)?;
        let taken = began.elapsed();
        let matches = answer["structuredContent"]["matches"].as_array().map_or(0, Vec::len);
        ensure!(matches == found, "ripgrep found {found} lines, search_files {matches}");
        if round > 0 {
            ours.push(taken);
            theirs.push(rg);
        }
    }
    let (ours, theirs) = (ours.into_iter().collect(), theirs.into_iter().collect());
    Ok(Some(Searched { mebibytes, files, ours, theirs }))
}

fn ripgrep(dev: &Dev) -> anyhow::Result<(Duration, usize)> {
    let began = Instant::now();
    let output = Command::new("rg")
        .args(["--line-number", "--no-heading", "--fixed-strings", "--no-require-git"])
        .args(["--no-config", NEEDLE, "."])
        .current_dir(&dev.workspace)
        .stdin(Stdio::null())
        .output()
        .context("ripgrep")?;
    Ok((began.elapsed(), String::from_utf8_lossy(&output.stdout).lines().count()))
}

/// Text of words, in directories of 200 files; one file in a thousand has a needle.
fn tree(dev: &Dev, mebibytes: usize) -> anyhow::Result<usize> {
    const WORDS: [&str; 8] = [
        "let value",
        "return",
        "fn compute",
        "needle",
        "hay",
        "struct State",
        "// a note",
        "match",
    ];
    let files = mebibytes * 1024 * 1024 / FILE;
    let mut state = 1_u64;
    let mut text = String::with_capacity(FILE + 64);
    for number in 0..files {
        let directory = dev.workspace.join(format!("tree/{:03}", number / 200));
        if number % 200 == 0 {
            fs::create_dir_all(&directory)?;
        }
        text.clear();
        while text.len() < FILE {
            // A linear congruential generator: no two files are alike.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let word = WORDS[usize::try_from(state >> 61).unwrap_or(0)];
            text.push_str(word);
            text.push(if (state >> 40).is_multiple_of(8) { '\n' } else { ' ' });
        }
        if number % 1000 == 0 {
            text.extend(["\n", NEEDLE, "\n"]);
        }
        fs::write(directory.join(format!("{number}.rs")), &text)?;
    }
    Ok(files)
}
