//! No call makes deciding slow: what is long is refused, and what is as long as is
//! taken is decided at once.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use cofferdam_policy::{Action, Call, Effect, Execute, Host, Project, RuleSet, Subject, Timestamp};

/// For a build without optimisation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);

fn rules(text: &str) -> RuleSet {
    let text = format!("version = 1\n{text}");
    RuleSet::parse(&[("rules.toml", &text)], [0; 32]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn packs() -> RuleSet {
    rules("packs = ['git-read', 'git-write', 'search', 'files', 'build-c']")
}

fn call(execute: Execute) -> Call {
    Call {
        subject: Subject { user: "ann".to_owned(), ..Subject::default() },
        host: Host { name: "web".to_owned(), ..Host::default() },
        project: Project { name: "shop".to_owned(), workspace: "/srv/shop".into() },
        tool: "execute_command".to_owned(),
        action: Action::Execute(execute),
        at: Timestamp::default(),
    }
}

fn program(name: &str, arguments: Vec<String>) -> Call {
    call(Execute::program(name.to_owned(), arguments.into_iter().map(String::into_bytes).collect()))
}

fn line(line: String) -> Call {
    call(Execute::command_line(line))
}

/// Decides, and says how long it took.
fn decide(what: &str, rules: &RuleSet, call: Call) -> (Effect, String) {
    let start = Instant::now();
    let decision = rules.decide(call);
    let took = start.elapsed();
    eprintln!("{what}: {:.1} ms", took.as_secs_f64() * 1000.0);
    assert!(took < PATIENCE, "{what}: {took:?}");
    (decision.effect(), decision.explain())
}

#[test]
fn more_words_than_can_be_looked_at_are_refused_with_their_number() {
    let all = rules(
        "[[rule]]\nid = 'all'\neffect = 'allow'\nprograms = [{ any = true }]\nshell = 'opaque'",
    );
    let many = |count| vec!["a".to_owned(); count];
    assert_eq!(decide("4,096 words", &all, program("git", many(4095))).0, Effect::Allow);
    let (effect, told) = decide("4,097 words", &all, program("git", many(4096)));
    assert!(effect == Effect::Deny && told.contains("4097 words; at most 4096"), "{told}");
    let (effect, told) = decide("500,000 words", &all, program("git", many(500_000)));
    assert!(effect == Effect::Deny && told.contains("500001 words"), "{told}");
    for text in ["a ".repeat(5000), "a;".repeat(5000), "echo a;".repeat(3000)] {
        let (effect, told) = decide("a line of words", &all, line(text));
        assert!(effect == Effect::Deny && told.contains("at most 4096"), "{told}");
    }
}

#[test]
fn the_longest_calls_are_decided_at_once_by_the_packs() {
    let packs = packs();
    for (what, subcommand, argument) in [
        ("no subcommand", "a", "a"),
        ("paths", "log", "src/main.rs"),
        ("options", "log", "--oneline"),
        ("what fits nothing", "status", "--\u{1f600}"),
        ("paths to add", "add", "a/b/c/d/e/f"),
    ] {
        let mut arguments = vec![argument.to_owned(); 4000];
        arguments[0] = subcommand.to_owned();
        decide(what, &packs, program("git", arguments));
    }
    for name in ["grep", "rg", "find", "sed", "cp", "make", "gcc"] {
        decide(name, &packs, program(name, vec!["x/y".to_owned(); 4000]));
        decide(name, &packs, program(name, vec!["-x".to_owned(); 4000]));
    }
    decide("one of 128 KiB", &packs, program("git", vec!["log".into(), "a/".repeat(65_000)]));
    let eight = std::iter::once("log".to_owned()).chain((0..8).map(|_| "a".repeat(128_000)));
    decide("eight of 128 KiB", &packs, program("git", eight.collect()));
    decide("a line of commands", &packs, line("git log;".repeat(2000)));
    decide("a line of one word", &packs, line(format!("git log {}", "a".repeat(65_000))));
    decide("a line of words", &packs, line(format!("git log {}", "a ".repeat(4000))));
    decide("what is not known", &packs, line(format!("git log {}", "$x ".repeat(256))));
    let (effect, told) =
        decide("too much of it", &packs, line(format!("git {}", "$x ".repeat(257))));
    assert!(effect == Effect::Deny && told.contains("257 words that are not known"), "{told}");
}

#[test]
fn the_longest_calls_are_decided_at_once_by_ten_thousand_rules() {
    let mut text = String::new();
    for number in 0..10_000 {
        let (effect, shell) =
            [("allow", "shell = 'parsed'"), ("deny", ""), ("ask", "shell = 'parsed'")][number % 3];
        let _ = write!(
            text,
            "[[rule]]\nid = 'r{number}'\neffect = '{effect}'\nprograms = [{{ name = 'p{}', args = \
             [{{ rest = true }}, 'x{number}', {{ rest = true }}] }}]\n{shell}\n",
            number % 1000
        );
    }
    let rules = rules(&text);
    decide("words", &rules, program("p7", vec!["a".to_owned(); 4000]));
    decide("words that are not known", &rules, line(format!("p7 {}", "$x ".repeat(256))));
    decide("commands", &rules, line("p7 a;".repeat(2000)));
    let each: Vec<String> = (0..2000).map(|number| format!("p{number} a")).collect();
    decide("different commands", &rules, line(each.join(";")));
}
