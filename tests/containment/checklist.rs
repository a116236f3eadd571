//! No line of the checklist without a test: the list names one for each, and
//! this binary must have it.

use std::collections::BTreeSet;
use std::process::Command;

use serde::Deserialize;

const CHECKLIST: &str = include_str!("../../agent/abilities/data/checklist.toml");

#[derive(Deserialize)]
struct Checklist {
    line: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    title: String,
    test: String,
}

/// Names of this binary's tests, without their modules.
pub(crate) fn tests() -> BTreeSet<String> {
    let itself = std::env::current_exe().unwrap();
    let listed = Command::new(itself).args(["--list", "--format", "terse"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(|name| name.rsplit("::").next().unwrap_or(name).to_owned()).collect()
}

#[test]
fn every_line_of_the_checklist_names_a_test_of_this_binary() {
    let Checklist { line } = toml::from_str(CHECKLIST).unwrap();
    assert_eq!(line.len(), 50);
    let tests = tests();
    let missing: Vec<String> = line
        .iter()
        .enumerate()
        .filter(|(_, line)| !tests.contains(&line.test))
        .map(|(index, line)| format!("{} {}: `{}`", index + 1, line.title, line.test))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}
