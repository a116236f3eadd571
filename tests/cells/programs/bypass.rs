//! The policy's bypass corpus, each case run for real, with the grant that an
//! opaque script gets: the listed programs and the shell. The canary is there to be
//! seen and is in no grant; it leaves a mark when it runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use super::{Granted, installed, system_path};

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    line: Option<String>,
    program: Option<String>,
    #[serde(default)]
    arguments: Vec<String>,
    setup: Option<String>,
}

/// The programs of the corpus's policy, and the shell.
const LISTED: [&str; 8] = ["bash", "git", "ls", "cat", "grep", "find", "sort", "wc"];

/// Programs that cases go by way of, which the policy does not list.
const WAYS: [&str; 7] = ["env", "xargs", "timeout", "awk", "sed", "tar", "sh"];

fn cases() -> Vec<Case> {
    let text = include_str!("../../../policy/tests/bypass/cases.toml");
    toml::from_str::<Cases>(text).expect("the corpus").case
}

/// A directory of programs with nothing in it but the canary, which makes the file
/// that it is told to make.
fn canary() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let at = directory.path().canonicalize().unwrap();
    std::fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::copy("/usr/bin/touch", at.join("canary")).unwrap();
    (directory, at)
}

/// Runs every case in a cell with these programs; the names of those that marked.
fn marked(programs: &[PathBuf], canary: &Path) -> Vec<String> {
    let search_path = [vec![canary.to_owned()], system_path()].concat();
    let granted = Granted::with(programs, &search_path, &[canary.to_owned()]);
    let mut marked = Vec::new();
    for case in cases() {
        clear(&granted.workspace);
        let placed = |text: &str| {
            text.replace("@BIN@", canary.to_str().unwrap())
                .replace("@WORK@", granted.workspace.to_str().unwrap())
        };
        if let Some(setup) = &case.setup {
            prepare(&granted.workspace, &placed(setup), &case.name);
        }
        let words: Vec<String> = match (&case.line, &case.program) {
            (Some(line), _) => ["/bin/bash", "--noprofile", "--norc", "-c", placed(line).as_str()]
                .map(str::to_owned)
                .to_vec(),
            (None, Some(program)) => {
                let arguments = case.arguments.iter().map(|text| placed(text));
                std::iter::once(placed(program)).chain(arguments).collect()
            }
            (None, None) => panic!("{}: neither a line nor a program", case.name),
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // That it does not start at all is as good.
        drop(granted.try_run(&words));
        if granted.workspace.join("mark").symlink_metadata().is_ok() {
            marked.push(case.name);
        }
    }
    marked
}

/// From outside of the cell, as somebody did before.
fn prepare(workspace: &Path, setup: &str, name: &str) {
    let status = Command::new("/bin/bash")
        .args(["-c", setup])
        .current_dir(workspace)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .status();
    assert!(status.unwrap().success(), "{name}: {setup}");
    // The workspace's owner is who made it.
    let owner = std::fs::metadata(workspace).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&owner);
    let status = Command::new("chown")
        .args(["-R", "-h", &owner.to_string(), "."])
        .current_dir(workspace)
        .status();
    assert!(status.unwrap().success(), "{name}");
}

fn clear(workspace: &Path) {
    for entry in std::fs::read_dir(workspace).unwrap().filter_map(Result::ok) {
        let removed = if entry.file_type().unwrap().is_dir() {
            std::fs::remove_dir_all(entry.path())
        } else {
            std::fs::remove_file(entry.path())
        };
        removed.unwrap();
    }
}

fn found(test: &str, names: &[&str]) -> Option<Vec<PathBuf>> {
    names.iter().map(|name| installed(test, name)).collect()
}

#[test]
fn no_way_around_the_list_runs_what_is_not_granted() {
    let test = "no_way_around_the_list_runs_what_is_not_granted";
    let (Some(listed), Some(_)) = (found(test, &LISTED), installed(test, "touch")) else { return };
    let (_directory, canary) = canary();
    assert_eq!(marked(&listed, &canary), Vec::<String>::new());
}

/// The cases are real: with the canary granted, most of them run it. What does not
/// is stopped by bash itself or by another wall of the cell.
#[test]
fn the_ways_around_the_list_lead_to_the_canary_where_it_is_granted() {
    let test = "the_ways_around_the_list_lead_to_the_canary_where_it_is_granted";
    let names = [&LISTED[..], &WAYS[..]].concat();
    let Some(mut programs) = found(test, &names) else { return };
    let (_directory, canary) = canary();
    programs.push(canary.join("canary"));
    let marked = marked(&programs, &canary);
    let all = cases().len();
    eprintln!("{} of {all} cases ran the canary", marked.len());
    let quiet: Vec<String> =
        cases().into_iter().map(|case| case.name).filter(|name| !marked.contains(name)).collect();
    assert!(marked.len() * 10 > all * 7, "these did not run it: {quiet:?}");
}
