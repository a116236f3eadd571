//! Each error as a person sees it: `policy/tests/golden/NAME.toml` is what is
//! wrong, `NAME.txt` what is said. `UPDATE_GOLDEN=1` writes the latter anew, to be
//! read before it is committed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::rules::{RuleErrors, RuleSet};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The files beneath a directory that end so, sorted.
fn files(directory: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_str().unwrap().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What is wrong with each case, and its text.
fn cases() -> Vec<(PathBuf, RuleErrors)> {
    let cases = files(&here().join("tests/golden"), ".toml");
    assert!(!cases.is_empty());
    cases
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            // A case of its own for two files that do not go together.
            let parts: Vec<&str> = text.split("# --- another file\n").collect();
            let names = ["rules.toml", "more.toml"];
            let files: Vec<(&str, &str)> = names.into_iter().zip(parts).collect();
            let errors = RuleSet::parse(&files, [0; 32]).expect_err(path.to_str().unwrap());
            (path, errors)
        })
        .collect()
}

#[test]
fn every_error_is_shown_with_its_place_and_what_to_do() {
    for (path, errors) in cases() {
        let shown = errors.to_string();
        assert!(shown.is_ascii() && shown.lines().all(|line| line.len() < 800), "{shown}");
        for error in &errors.errors {
            assert!(!error.help.is_empty(), "nothing to do in {}: {error}", path.display());
            assert!(error.render().contains('^'), "{error}");
        }
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &shown).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(shown, expected, "{}", golden.display());
    }
}

/// Errors that no small file can have.
const TOO_LARGE: [&str; 6] = [
    "it is longer than {MAX_FILE} bytes",
    "there are more than {MAX_RULES}",
    "there are more than {MAX_ROLES}",
    "there are more than {MAX_INCLUDES}",
    "destinations; take some out",
    "there are more than {MAX_PATTERNS}",
];

/// Errors of what includes name before it is read, and one that lists all packs
/// there are; they have tests of their own.
const ELSEWHERE: [&str; 2] = ["` {problem}\", shown(entry", "no pack is named"];

#[test]
fn every_line_that_finds_an_error_has_a_case() {
    let seen: BTreeSet<(String, u32)> = cases()
        .iter()
        .flat_map(|(_, errors)| &errors.errors)
        .map(|error| (error.origin.file().to_owned(), error.origin.line()))
        .collect();
    let mut missing = Vec::new();
    for path in files(&here().join("src/rules"), ".rs") {
        let name = path.to_str().unwrap();
        let is_test =
            name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("golden.rs");
        if is_test || name.ends_with("rules/error.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().take_while(|line| *line != "#[cfg(test)]").collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| finds(line)) {
            let place = u32::try_from(at + 1).unwrap();
            let hit =
                seen.iter().any(|(file, line)| name.ends_with(file.as_str()) && *line == place);
            // The message may stand on the lines before or after.
            let around = lines[at.saturating_sub(4)..(at + 6).min(lines.len())].join("\n");
            let excused = TOO_LARGE.iter().chain(&ELSEWHERE).any(|text| around.contains(text));
            if !hit && !excused {
                missing.push(format!("{name}:{place}: {}", line.trim()));
            }
        }
    }
    assert!(missing.is_empty(), "no case in tests/golden for\n{}", missing.join("\n"));
}

/// Whether a line of our code notes an error.
fn finds(line: &str) -> bool {
    let notes = ["self.add(", "report.add(", "report.add_parsed("];
    notes.iter().any(|note| line.contains(note))
        && !line.contains("self.report.add(self.source, span, key")
}
