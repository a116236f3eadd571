use cofferdam_journal::ApprovalStep;
use serde_json::json;

use crate::desk::{Desk, asked, call, denied, permitted, run};

const RULES: &str = "
[[rule]]
id = 'look'
effect = 'allow'
programs = [{ names = ['ls'] }]
hosts = { labels = { stage = 'test' } }
[[rule]]
id = 'push'
effect = 'ask'
programs = [{ name = 'git', args = ['push'] }]
[[rule]]
id = 'files'
effect = 'allow'
paths = [{ beneath = '/srv/shop', mode = 'read' }]
";

#[test]
fn the_rules_of_then_decide_as_then() {
    let desk = Desk::new(RULES);
    desk.record(vec![
        permitted(run("one", "ann", &["ls"]), "look"),
        denied(run("two", "ann", &["rm", "-r"]), &[]),
        asked(run("three", "ann", &["git", "push"]), "push", ApprovalStep::Requested),
        permitted(call("four", "ann", "read_file", json!({"path": "a", "length": 5})), "files"),
    ]);
    let said = desk.policy(&["replay", "--config", "gateway.toml"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("4 recorded calls: 4 the same, 0 diff"), "{said:?}");
}

#[test]
fn each_call_that_new_rules_decide_differently_is_named() {
    let desk = Desk::new(RULES);
    desk.write("new.toml", "[[rule]]\nid = 'rm'\neffect = 'allow'\nprograms = [{ name = 'rm' }]\n");
    desk.record(vec![
        permitted(run("one", "ann", &["ls"]), "look"),
        denied(run("two", "bob", &["rm", "-r"]), &[]),
    ]);
    let said = desk.policy(&["replay", "--config", "gateway.toml", "--rules", "new.toml"]);
    assert_eq!(said.code, 1, "{said:?}");
    for text in [
        "ann on web-1 in shop: run `ls`\n  allow by `look`  ->  deny by default: no rule permits it",
        "bob on web-1 in shop: run `rm -r`\n  deny by default: no rule permits it  ->  allow by `rm`",
        "2 recorded calls: 0 the same, 2 differently, 0 undecidable",
    ] {
        assert!(said.out.contains(text), "{text}: {said:?}");
    }
    let later = ["replay", "--config", "gateway.toml", "--rules", "new.toml"];
    let none = desk.policy(&[&later[..], &["--until", "2020-01-01T00:00:00Z", "--json"]].concat());
    assert_eq!((none.code, &none.json()["calls"]), (0, &0.into()), "{none:?}");
}

#[test]
fn a_call_whose_secret_was_redacted_is_undecidable() {
    let desk = Desk::new("[[rule]]\nid = 'all'\neffect = 'allow'\nprograms = [{ any = true }]\n");
    desk.record(vec![denied(run("one", "ann", &["curl", "--password", "hunter2"]), &[])]);
    let said = desk.policy(&["replay", "--config", "gateway.toml"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("`arguments` held a secret"), "{said:?}");
    assert!(said.out.contains("0 the same, 0 differently, 1 undecidable"), "{said:?}");
    assert!(!said.out.contains("hunter2"), "{said:?}");
}

#[test]
fn an_approved_call_counts_once() {
    let desk = Desk::new(RULES);
    let push = || run("one", "ann", &["git", "push"]);
    let mut done = permitted(push(), "push");
    if let cofferdam_journal::Entry::Intent(intent) = &mut done {
        intent.approval = Some("request-1".to_owned());
    }
    desk.record(vec![
        asked(push(), "push", ApprovalStep::Requested),
        asked(push(), "push", ApprovalStep::Used),
        done,
    ]);
    let found = desk.policy(&["replay", "--config", "gateway.toml", "--json"]).json();
    assert_eq!((&found["calls"], &found["same"]), (&1.into(), &1.into()), "{found}");
}

#[test]
fn what_is_no_journal_and_no_configuration_is_no_result() {
    let desk = Desk::new(RULES);
    let missing = desk.policy(&["replay", "--config", "other.toml"]);
    assert_eq!(missing.code, 2, "{missing:?}");
    assert!(missing.error.contains("--config"), "{missing:?}");
    let none = desk.policy(&["replay", "--config", "gateway.toml", "--since", "tomorrow"]);
    assert_eq!(none.code, 2, "{none:?}");
}
