//! What rules say to units of the service manager, and how they say it.

use super::{call, effect, rules};
use crate::action::{Action, Call, Reading};
use crate::decision::{Decision, Effect};
use crate::warning::WarningKind;

const RULES: &str = r#"
[[rule]]
id = "states"
effect = "allow"
services = ["nginx.service", "app-*.service"]
[[rule]]
id = "journal"
effect = "ask"
services = ["app-*.service"]
journal = true
[[rule]]
id = "no-payments"
effect = "deny"
services = ["app-payments.service"]
[[rule]]
id = "no-audit-journal"
effect = "deny"
services = ["app-audit.service"]
journal = true
"#;

fn read(what: Reading, unit: &str) -> Call {
    call("read_service", Action::ReadService { what, unit: unit.to_owned() })
}

#[test]
fn a_state_is_less_than_a_journal_whichever_way_a_rule_looks() {
    let rules = rules(RULES);
    for (what, unit, expected) in [
        (Reading::Status, "nginx.service", Effect::Allow),
        // Who may read the state may not read the journal.
        (Reading::Journal, "nginx.service", Effect::Deny),
        // Who is asked about the journal is asked about nothing else.
        (Reading::Status, "app-web.service", Effect::Allow),
        (Reading::Journal, "app-web.service", Effect::Ask),
        // Who may not read the state may not read the journal either; who may not
        // read the journal may read the state.
        (Reading::Status, "app-payments.service", Effect::Deny),
        (Reading::Journal, "app-payments.service", Effect::Deny),
        (Reading::Status, "app-audit.service", Effect::Allow),
        (Reading::Journal, "app-audit.service", Effect::Deny),
    ] {
        assert_eq!(effect(&rules, read(what, unit)), expected, "{what:?} {unit}");
    }
}

#[test]
fn a_listing_needs_every_unit_that_it_could_show() {
    let rules = rules(RULES);
    for (glob, expected) in [
        ("nginx.service", Effect::Allow),
        ("app-w*.service", Effect::Allow),
        ("app-?.service", Effect::Allow),
        // It could show what is denied, or what nothing permits.
        ("app-*.service", Effect::Deny),
        ("app-p*s.service", Effect::Deny),
        ("app-*", Effect::Deny),
        ("*", Effect::Deny),
    ] {
        assert_eq!(effect(&rules, read(Reading::List, glob)), expected, "{glob}");
    }
}

#[test]
fn a_tool_that_is_named_is_not_a_unit_that_is_named() {
    let rules = rules("[[rule]]\nid = 'a'\neffect = 'allow'\ntools = ['read_service']\n");
    assert_eq!(effect(&rules, read(Reading::Status, "a.service")), Effect::Deny);
    let rules = super::rules("[[rule]]\nid = 'a'\neffect = 'allow'\nservices = ['*']\n");
    let info = call("get_system_info", Action::DescribeHost);
    assert_eq!(effect(&rules, info), Effect::Deny);
    assert_eq!(effect(&rules, super::program(&["systemctl", "status"])), Effect::Deny);
}

#[test]
fn a_denial_says_what_is_wrong_and_which_units_may_be_read() {
    let rules = rules(RULES);
    for (what, unit, words) in [
        (Reading::Status, "ssh.service", "no rule permits to read the state of `ssh.service`"),
        (Reading::Journal, "nginx.service", "permits to read the state only, not the journal"),
        (Reading::List, "ng*.service", "rule `states` permits only the units `nginx.service`"),
        (Reading::List, "app-*.service", "because the rule names some of these units"),
        (Reading::Status, "nginx", "write the whole name, such as `nginx.service`"),
        (Reading::Status, "*.service", "is no name of a unit"),
        (Reading::Journal, "a\n.service", "is no name of a unit"),
    ] {
        let Decision::Deny(denial) = rules.decide(read(what, unit)) else { panic!("{unit}") };
        let line = denial.line();
        assert!(line.contains(words), "{what:?} {unit}: {line}");
        assert!(line.contains("Allowed units: app-*.service (state)"), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
    let nearest = rules.nearest(&read(Reading::Journal, "nginx.service")).unwrap().to_string();
    assert!(nearest.contains("services") && nearest.contains("`journal = true`"), "{nearest}");
}

#[test]
fn a_rule_that_a_deny_covers_is_in_vain_and_one_that_it_leaves_the_state_is_not() {
    let vain = |deny: &str| {
        let allow = "[[rule]]\nid = 'a'\neffect = 'allow'\nservices = ['app-*.service']\n\
                     journal = true\ngrant = { profile = 'readonly' }\n";
        let deny = format!("[[rule]]\nid = 'd'\neffect = 'deny'\n{deny}\n");
        let found = rules(&format!("{allow}{deny}")).warnings(jiff::Timestamp::UNIX_EPOCH);
        found.iter().any(|one| one.kind == WarningKind::Unreachable)
    };
    assert!(vain("services = ['app-*.service']"));
    assert!(vain("services = ['*']"));
    assert!(!vain("services = ['app-*.service']\njournal = true"));
    assert!(!vain("services = ['app-web.service']"));
}

#[test]
fn what_changed_about_units_is_told_one_by_one() {
    let old = rules(RULES);
    let new =
        rules(&RULES.replace("[\"nginx.service\", \"app-*.service\"]", "[\"app-*.service\"]"));
    let changes = old.changes(&new);
    assert_eq!(changes.len(), 1);
    let facet = &changes[0].facets[0];
    assert_eq!(
        (facet.name.as_str(), &facet.removed),
        ("services", &vec!["nginx.service".to_owned()])
    );
}
