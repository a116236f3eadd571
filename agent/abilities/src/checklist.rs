//! The checklist: what a command in a cell may try, as numbered lines. Each
//! names the layers that hold it and the abilities of the host without which it
//! does not.
//!
//! The data is `data/checklist.toml`, checked when this crate is built.

use serde::Serialize;

use crate::ability::{Ability, State};

include!(concat!(env!("OUT_DIR"), "/checklist.rs"));

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its number, from 1; stable.
    pub number: u8,
    /// What is tried.
    pub title: &'static str,
    /// The layers that hold it, the first to be met first.
    pub held_by: &'static [&'static str],
    /// Names of abilities without which it does not hold.
    pub needs: &'static [&'static str],
    /// A test that tries it; empty: none yet.
    pub test: &'static str,
}

/// All lines, in order.
#[must_use]
pub fn checklist() -> &'static [Line] {
    LINES
}

impl Line {
    /// The abilities of this host that the line needs and does not have in
    /// full: with them missing it does not hold, with less of them it may not.
    pub fn lacks<'a>(&self, table: &'a [Ability]) -> impl Iterator<Item = &'a Ability> {
        let needs = self.needs;
        table.iter().filter(move |ability| {
            needs.contains(&ability.name)
                && matches!(ability.state, State::Missing | State::Partial)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Need, probe};

    #[test]
    fn the_lines_are_numbered_from_1_to_50() {
        let numbers: Vec<u8> = checklist().iter().map(|line| line.number).collect();
        assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    }

    #[test]
    fn every_need_is_an_ability_of_the_table() {
        let table = probe().table();
        for line in checklist() {
            for need in line.needs {
                assert!(table.iter().any(|it| it.name == *need), "{}: {need}", line.number);
            }
        }
    }

    #[test]
    fn titles_fit_a_line_of_a_terminal() {
        for line in checklist() {
            assert!(line.title.len() <= 75, "{}: {}", line.number, line.title.len());
        }
    }

    #[test]
    fn a_line_lacks_what_the_host_has_not() {
        let sockets = &checklist()[40];
        let missing = Ability::there("landlock.sockets", Need::Wished, false, "");
        assert_eq!(sockets.lacks(std::slice::from_ref(&missing)).count(), 1);
        let there = Ability::there("landlock.sockets", Need::Wished, true, "");
        assert_eq!(sockets.lacks(&[there]).count(), 0);
    }

    #[test]
    fn every_named_test_is_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut text = String::new();
        let folders = [
            "tests/cells",
            "tests/containment",
            "tests/journey",
            "agent/files/tests",
            "agent/daemon/tests",
        ];
        for folder in folders {
            read_all(&root.join(folder), &mut text);
        }
        for line in checklist().iter().filter(|line| !line.test.is_empty()) {
            assert!(text.contains(line.test), "line {}: {}", line.number, line.test);
        }
    }

    fn read_all(folder: &std::path::Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read_all(&path, text);
            } else {
                text.push_str(&std::fs::read_to_string(path).unwrap_or_default());
            }
        }
    }
}
