//! Root is expensive, so it is counted: lines, unsafe blocks and crates of all
//! that runs as root have a budget, and each test prints what is used of it.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of our own Rust that run as root: without blank lines, comments and tests.
const LINES: usize = 2500;
const UNSAFE_BLOCKS: usize = 40;
const CRATES: usize = 20;

/// Where the code is that runs as root: the warden and what it calls of ours.
/// `agent/init` is not among them: it begins when every privilege is gone.
const FOLDERS: [&str; 4] =
    ["agent/warden/src", "agent/plan/src", "agent/filter/src", "policy/ceiling/src"];

/// Files in those folders that root never runs, each with who does.
const NOT_ROOT: [(&str, &str); 11] = [
    ("agent/plan/src/run.rs", "agent and PID 1"),
    ("agent/plan/src/run/loopback.rs", "agent and PID 1"),
    ("agent/plan/src/cell/encode.rs", "agent"),
    ("agent/plan/src/event.rs", "agent and PID 1"),
    ("agent/plan/src/report/words.rs", "agent"),
    ("agent/plan/src/warden/client.rs", "agent"),
    ("agent/filter/src/names.rs", "agent"),
    ("agent/filter/src/arguments.rs", "build script"),
    ("agent/filter/src/compile.rs", "build script"),
    ("agent/filter/src/data.rs", "build script"),
    ("agent/filter/src/tree.rs", "build script"),
];

/// Lines of `cofferdam dev` that run before it stops being root, when root
/// starts it. Short-lived, and no socket is open yet, but counted as well.
const DEV_LINES: usize = 1000;
const DEV_FILES: [&str; 8] = [
    "given.rs",
    "household.rs",
    "programs.rs",
    "standing.rs",
    "state.rs",
    "state/directory.rs",
    "surroundings.rs",
    "toolchains.rs",
];

/// What may never be linked into a program that is root.
const FORBIDDEN: [&str; 8] =
    ["tokio", "async-std", "serde_json", "rustls", "hyper", "tonic", "prost", "zbus"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The code lines of a file: up to its test module, without modules in other
/// files that only tests or a feature of other programs compile.
fn code(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(str::trim).peekable();
    let mut code = Vec::new();
    while let Some(line) = lines.next() {
        let elsewhere = lines.peek().is_some_and(|next| next.ends_with(';'));
        match line {
            "#[cfg(test)]" if !elsewhere => break,
            "#[cfg(test)]" | "#[cfg(feature = \"names\")]" => _ = lines.next(),
            "" => {}
            comment if comment.starts_with("//") => {}
            line => code.push(line.to_owned()),
        }
    }
    code
}

fn all_code() -> Vec<String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 10, "the folders have moved: {files:?}");
    for (path, _) in NOT_ROOT {
        let before = files.len();
        files.retain(|file| !file.ends_with(path));
        assert_eq!(files.len(), before - 1, "{path} has moved");
    }
    files.iter().flat_map(|file| code(file)).collect()
}

#[test]
fn the_lines_that_run_as_root_are_within_their_budget() {
    let lines = all_code().len();
    println!("{lines} of {LINES} lines run as root");
    assert!(lines <= LINES, "{lines} lines run as root; the budget is {LINES}");
}

#[test]
fn the_lines_of_dev_before_it_stops_being_root_are_counted() {
    let folder = root().join("gateway/command/src/dev");
    let lines: usize = DEV_FILES.iter().map(|file| code(&folder.join(file)).len()).sum();
    println!("{lines} of {DEV_LINES} lines of `cofferdam dev` run before the drop");
    assert!(lines <= DEV_LINES, "{lines} lines; the budget is {DEV_LINES}");
}

#[test]
fn the_unsafe_blocks_that_run_as_root_are_within_their_budget() {
    let blocks = all_code()
        .iter()
        .filter(|line| {
            line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl")
        })
        .count();
    println!("{blocks} of {UNSAFE_BLOCKS} unsafe blocks");
    assert!(blocks > 0, "the count finds nothing any more");
    assert!(blocks <= UNSAFE_BLOCKS, "{blocks} unsafe blocks; the budget is {UNSAFE_BLOCKS}");
}

#[test]
fn unsafe_code_stands_in_the_files_for_it() {
    for folder in FOLDERS {
        let mut files = Vec::new();
        sources(&root().join(folder), &mut files);
        for file in files.iter().filter(|file| !file.ends_with("sys.rs")) {
            let found = code(file).iter().any(|line| line.contains("unsafe {"));
            assert!(!found, "{} has unsafe code; it belongs into sys.rs", file.display());
        }
    }
}

#[test]
fn the_crates_linked_into_the_warden_are_within_their_budget() {
    // A proc-macro, and what only it needs, runs in the compiler.
    const COMPILER_ONLY: [&str; 4] = ["proc-macro2", "quote", "syn", "unicode-ident"];
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args(["tree", "--offline", "--package", "cofferdam-warden", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<&str> = tree
        .lines()
        .filter(|line| !line.contains("(proc-macro)") && !line.contains("cofferdam-"))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| !COMPILER_ONLY.contains(name))
        .collect();
    println!("{} of {CRATES} crates: {crates:?}", crates.len());
    assert!(crates.len() > 3, "the list of crates is not read any more: {tree}");
    assert!(crates.len() <= CRATES, "{} crates; the budget is {CRATES}", crates.len());
    for name in FORBIDDEN {
        assert!(!crates.contains(name), "`{name}` is linked into a program that is root");
    }
}
