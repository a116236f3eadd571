//! Tests of helper rules and patterns.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn captured(pattern: &str, name: &str) -> Option<Vec<(String, String)>> {
    Some(Pattern::new(pattern).captures(name)?.into_iter().collect())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn a_pattern_matches_the_whole_name_and_knows_its_parts() {
    assert_eq!(captured("git", "git"), Some(pairs(&[])));
    assert_eq!(captured("git", "gitk"), None);
    assert_eq!(captured("git-*", "git-log"), Some(pairs(&[])));
    assert_eq!(
        captured("{target}-gcc-{version}", "x86_64-linux-gnu-gcc-12"),
        Some(pairs(&[("target", "x86_64-linux-gnu"), ("version", "12")]))
    );
    assert_eq!(captured("python{version}", "python"), None);
    assert_eq!(captured("a{b", "a{b"), Some(pairs(&[])));
}

#[test]
fn what_was_not_captured_stands_for_anything_and_a_missing_variable_for_nothing() {
    let captures = Captures::from([("prefix".to_owned(), "/usr".to_owned())]);
    assert_eq!(fill("{prefix}/lib/{target}/x", &captures).as_deref(), Some("/usr/lib/*/x"));
    assert_eq!(fill("{RUSTUP_HOME}/x", &captures), None);
    assert_eq!(fill("{open", &captures), None);
}

#[test]
fn the_rules_that_come_along_are_read_and_each_has_a_reason_and_a_name_of_its_own() {
    let rules = Rules::builtin().unwrap().rules;
    let names: BTreeSet<_> = rules.iter().map(|rule| &rule.name).collect();
    assert_eq!(names.len(), rules.len());
    for rule in &rules {
        assert!(rule.reason.len() > 20, "{}", rule.name);
        assert!(!(rule.programs.is_empty() && rule.libraries.is_empty()), "{}", rule.name);
        let paths = rule.execute.iter().chain(&rule.read).chain(&rule.trees).chain(&rule.list);
        for path in paths {
            assert!(path.starts_with(['/', '{']), "{}: {path}", rule.name);
        }
    }
}

#[test]
fn unknown_keys_are_refused() {
    let text = "[[rule]]\nname = \"a\"\nreason = \"b\"\nexcute = []\n";
    assert!(Rules::parse(text).unwrap_err().to_string().contains("excute"));
}

proptest! {
    #[test]
    fn no_pattern_or_name_confuses_the_matcher(pattern in "[a*{}-]{0,12}", name in "\\PC{0,40}") {
        _ = Pattern::new(&pattern).captures(&name);
        prop_assert!(Pattern::new("*").captures(&name).is_some());
    }
}
