//! Known ways around a list of commands, tried against the policy.
//!
//! `cases.toml` has the cases and where they are from. What the policy lets
//! through here must be stopped by the kernel; `tests/cells` runs every case for
//! real.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;

use cofferdam_policy::{Action, Call, Decision, Effect, Execute, Host, Project, RuleSet, Subject};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    class: String,
    name: String,
    line: Option<String>,
    program: Option<String>,
    #[serde(default)]
    arguments: Vec<String>,
    /// Only for the cell.
    #[serde(rename = "setup")]
    _setup: Option<String>,
    #[serde(rename = "after")]
    _after: Option<String>,
    #[serde(default)]
    held_by: HeldBy,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum HeldBy {
    #[default]
    Policy,
    Kernel,
}

fn cases() -> Vec<Case> {
    toml::from_str::<Cases>(include_str!("cases.toml")).unwrap().case
}

fn rules() -> RuleSet {
    RuleSet::parse(&[("policy.toml", include_str!("policy.toml"))], [0; 32])
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn decide(rules: &RuleSet, execute: Execute) -> Decision {
    rules.decide(Call {
        subject: Subject { user: "ann".to_owned(), ..Subject::default() },
        project: Project { name: "web".to_owned(), workspace: "/srv/shop".into() },
        host: Host { name: "web-1".to_owned(), ..Host::default() },
        tool: "execute_command".to_owned(),
        action: Action::Execute(execute),
        at: jiff::Timestamp::default(),
    })
}

fn execute(case: &Case) -> Execute {
    let placed = |text: &str| text.replace("@BIN@", "/opt/canary").replace("@WORK@", "/srv/shop");
    match (&case.line, &case.program) {
        (Some(line), None) => Execute::command_line(placed(line)),
        (None, Some(program)) => {
            let arguments = case.arguments.iter().map(|text| placed(text).into_bytes());
            Execute::program(placed(program), arguments.collect())
        }
        _ => panic!("{}: a line or a program", case.name),
    }
}

#[test]
fn every_way_around_the_list_is_denied_before_anything_starts() {
    let rules = rules();
    let mut wrong = Vec::new();
    for case in cases() {
        let decision = decide(&rules, execute(&case));
        let permitted = decision.effect() == Effect::Allow;
        if permitted != (case.held_by == HeldBy::Kernel) {
            wrong.push(format!("{}, {}: {}", case.class, case.name, decision.explain()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_class_has_cases_and_no_name_stands_twice() {
    let cases = cases();
    assert!(cases.len() >= 100, "{}", cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
    for class in [
        "operators",
        "substitution",
        "newline",
        "absolute path",
        "unicode look-alike",
        "argument injection",
        "environment",
        "symlinked program",
        "case",
        "glob",
        "brace expansion",
    ] {
        assert!(cases.iter().any(|case| case.class == class), "{class}");
    }
}

/// The policy lets its own programs through; it does not just deny everything.
#[test]
fn what_the_policy_is_for_is_permitted() {
    let rules = rules();
    for line in [
        "git status",
        "git log --oneline | grep fix",
        "ls -la && cat src/main.rs",
        "grep -rn TODO src; find src -name '*.rs'",
        "for f in a b; do wc -l src/main.rs; done",
        "ls $(git status) || true",
        "diff=$(git diff --stat); echo \"$diff\"",
    ] {
        let decision = decide(&rules, Execute::command_line(line));
        assert_eq!(decision.effect(), Effect::Allow, "{}", decision.explain());
    }
}
