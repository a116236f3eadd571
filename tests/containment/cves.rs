//! The table of what happened to others (`CVES.md`): each row names a test that
//! is there.

use std::collections::BTreeSet;

const TABLE: &str = include_str!("CVES.md");

#[test]
fn every_published_escape_in_the_table_names_a_test_of_this_binary() {
    let tests = crate::checklist::tests();
    let rows: Vec<Vec<&str>> = TABLE
        .lines()
        .filter(|line| line.starts_with("| CVE-"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut numbers = BTreeSet::new();
    for row in &rows {
        let [number, _program, _how, test] = row[..] else { panic!("four columns: {row:?}") };
        assert!(numbers.insert(number), "{number} is there twice");
        let test = test.trim_matches('`');
        assert!(tests.contains(test), "{number}: no test is called `{test}`");
    }
    assert!(numbers.len() >= 25, "{} rows", numbers.len());
}
