//! Real bash against what [`Script`] sees of a line.
//!
//! Each line that the parser says it sees through is run by real bash among
//! stubs that log how they were started. Whatever ran must be in the parser's
//! table, in the directory, with the variables and beside the files that it
//! tells of. A line that bash cannot parse must not be seen through. Variables
//! and outputs hold what runs a command where bash evaluates it.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod bash;
mod check;
mod corpus;
mod grammar;

use std::time::{Duration, Instant};

use bash::Bash;
use cofferdam_policy::Script;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many random lines each kind has, and how long they may take together,
/// where `COFFERDAM_SHELL_LINES` does not say another number (then without an
/// end in time).
const LINES: usize = 4000;
const LONGEST: Duration = Duration::from_secs(8);

#[test]
fn bash_runs_nothing_of_the_corpus_that_the_parser_does_not_see() {
    let mut bash = Bash::new();
    let entries = corpus::entries();
    assert!(entries.len() >= 300, "{} entries", entries.len());
    let mut wrong = Vec::new();
    for entry in &entries {
        let script = Script::parse(entry.line.as_bytes());
        if script.is_opaque() != entry.opaque {
            wrong.push(format!("{}: opaque: {:?}", entry.line, script.opaque));
        }
        wrong.extend(check::differences(&mut bash, &entry.line, &script));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The stubs themselves: a program that is left out of the table is noticed.
#[test]
fn a_command_that_the_parser_would_not_see_is_noticed() {
    let mut bash = Bash::new();
    for (line, seen) in [
        ("git log | head", "git log"),
        ("a; b", "a"),
        ("x=$(b)", "x=1"),
        ("a b", "a c"),
        ("a > out", "a"),
        ("cd src; a", "a"),
        ("X=1 a", "a"),
        ("export V=1; a", "a"),
        ("a (", "a"),
    ] {
        let script = Script::parse(seen.as_bytes());
        assert!(!script.is_opaque(), "{seen}: {:?}", script.opaque);
        assert!(!check::differences(&mut bash, line, &script).is_empty(), "{line}");
    }
}

#[test]
fn bash_runs_nothing_of_random_lines_that_the_parser_does_not_see() {
    try_random("grammar", grammar::line());
}

#[test]
fn bash_runs_nothing_of_random_tokens_that_the_parser_does_not_see() {
    try_random("tokens", grammar::tokens());
}

/// Lines of one kind, the same at each run.
fn try_random(kind: &str, lines: impl Strategy<Value = String>) {
    let wanted = std::env::var("COFFERDAM_SHELL_LINES").ok().and_then(|it| it.parse().ok());
    let seed = std::env::var("COFFERDAM_SHELL_SEED").unwrap_or_default();
    let mut bytes = [0x5c; 32];
    bytes[..seed.len().min(32)].copy_from_slice(&seed.as_bytes()[..seed.len().min(32)]);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut bash = Bash::new();
    let (start, mut through, mut tried) = (Instant::now(), 0, 0);
    while tried < wanted.unwrap_or(LINES) {
        if wanted.is_none() && start.elapsed() > LONGEST {
            break;
        }
        let mut tree = lines.new_tree(&mut runner).unwrap();
        tried += 1;
        let wrong = differences(&mut bash, &tree.current());
        assert!(wrong.is_empty(), "{}", smallest(&mut bash, &mut tree, wrong));
        through += usize::from(!Script::parse(tree.current().as_bytes()).is_opaque());
    }
    eprintln!("{kind}: {tried} lines, {through} of them seen through");
    assert!(through * 20 > tried, "only {through} of {tried} lines were seen through");
}

fn differences(bash: &mut Bash, line: &str) -> Vec<String> {
    check::differences(bash, line, &Script::parse(line.as_bytes()))
}

/// Makes a line that went wrong smaller, as far as it still does.
fn smallest(
    bash: &mut Bash,
    tree: &mut impl ValueTree<Value = String>,
    wrong: Vec<String>,
) -> String {
    let mut last = wrong;
    for _ in 0..400 {
        if !tree.simplify() {
            break;
        }
        loop {
            let now = differences(bash, &tree.current());
            if !now.is_empty() {
                last = now;
                break;
            }
            if !tree.complicate() {
                return last.join("\n");
            }
        }
    }
    last.join("\n")
}
