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

/// Where the tests are that the checklist names.
const MODULES: [&str; 14] = [
    include_str!("damage.rs"),
    include_str!("execution.rs"),
    include_str!("files.rs"),
    include_str!("isolation.rs"),
    include_str!("kernel.rs"),
    include_str!("network.rs"),
    include_str!("oversized.rs"),
    PROBES,
    include_str!("processes.rs"),
    include_str!("protected.rs"),
    include_str!("proxied.rs"),
    include_str!("setup.rs"),
    include_str!("signals.rs"),
    include_str!("workspaces.rs"),
];

const PROBES: &str = include_str!("probes.rs");

#[test]
fn every_line_of_the_checklist_is_tried_as_root_and_as_an_ordinary_user() {
    let Checklist { line } = toml::from_str(CHECKLIST).unwrap();
    for Line { title, test } in line {
        let start = format!("fn {test}() {{");
        let body = MODULES.iter().find_map(|text| text.split_once(&start)?.1.split_once("\n}\n"));
        let Some((body, _)) = body else {
            // Those that a probe makes are all made in one way, which skips nobody.
            assert!(PROBES.contains(&format!("{test}:")), "{title}: where is `{test}`?");
            continue;
        };
        assert!(!body.contains("skip"), "{title}: `{test}` is not for everybody");
    }
}
