//! Uses of packs.

use super::{error, parse};
use crate::rules::RuleSet;

const CALL: &str = "[[test]]\nname = \"t\"\nexpect = \"EXPECT\"\nrule = \"RULE\"\ncall = { user = \
    \"ann\", tool = \"execute_command\", program = \"find\", args = [\".\"] }\n";

fn passes(text: &str, expect: &str, rule: &str) {
    let case = CALL.replace("EXPECT", expect).replace("RULE", rule);
    let rules = parse(&format!("version = 1\n{text}\n{case}")).unwrap_or_else(|it| panic!("{it}"));
    rules.check_tests().unwrap_or_else(|failed| panic!("{failed:#?}"));
}

#[test]
fn one_line_is_enough_to_use_a_pack() {
    passes("packs = [\"search\"]", "allow", "pack:search/find");
    let rules = parse("version = 1\npacks = [\"search\"]").unwrap();
    assert_eq!(rules.rules[0].gives.profile.as_deref(), Some("readonly"));
    assert!(rules.rules.iter().all(|rule| rule.id.starts_with("pack:search/")));
}

#[test]
fn a_use_may_say_for_whom_how_and_with_what() {
    let using = "[[pack]]\nname = \"search\"\nas = \"wide\"\neffect = \"ask\"\nsubjects = { users = \
                 [\"ann\"] }\nhosts = { names = [\"*\"] }\nrequire = [\"landlock\"]\ngrant = { \
                 profile = \"default\", limits = { wall = \"1m\" } }";
    let rules = parse(&format!("version = 1\n{using}")).unwrap();
    let rule = &rules.rules[0];
    assert!(rule.id.starts_with("pack:wide/"));
    assert_eq!(rule.gives.profile.as_deref(), Some("default"));
    assert!(rule.gives.workspace_access.is_some(), "what the use does not say is the pack's");
    assert!(rule.gives.limits.wall.is_some() && rule.reason.is_some());
    assert_eq!((rule.selectors.count(), rule.conditions.layers.len()), (2, 1));
    passes(&using.replace("require = [\"landlock\"]\n", ""), "ask", "pack:wide/find");
}

#[test]
fn a_deny_rule_beats_a_pack() {
    let deny = "packs = [\"search\"]\n[[rule]]\nid = \"no\"\neffect = \"deny\"\nprograms = [{ name \
                = \"find\" }]";
    passes(deny, "deny", "no");
}

#[test]
fn what_is_wrong_with_a_use_is_told_where_it_stands() {
    for (text, start, part) in [
        ("packs = [\"git\"]", "rules.toml:2:10: pack git", "no pack is named `git`; "),
        (
            "packs = [\"search\", \"search\"]",
            "rules.toml:2:20: pack search",
            "already, at rules.toml:2:10",
        ),
        ("[[pack]]\nname = \"search\"\neffect = \"deny\"", "rules.toml:4:10:", "with \"allow\" or"),
        ("[[pack]]\nname = \"search\"\nas = \"a b\"", "rules.toml:4:6:", "an id has"),
        (
            "[[pack]]\nname = \"search\"\nprograms = []",
            "rules.toml:4:1:",
            "unknown field `programs`",
        ),
        ("[[pack]]\nname = \"search\"\nsubjects = { roles = [\"x\"] }", "rules.toml:4:", "no role"),
        ("packs = \"search\"", "rules.toml:2:9:", "invalid type"),
    ] {
        let message = error(&format!("version = 1\n{text}"));
        assert!(message.starts_with(start), "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
    let rule = "version = 1\n[[rule]]\nid = \"pack:search/x\"\neffect = \"deny\"";
    assert!(error(rule).contains("an id has"));
}

#[test]
fn the_digest_covers_the_packs_that_are_used() {
    let seen = |text: &str| {
        let mut names = Vec::new();
        RuleSet::parse_whole(&[("rules.toml", text)], |all| {
            names = all.iter().map(|(name, _)| (*name).to_owned()).collect();
            [1; 32]
        })
        .unwrap();
        names
    };
    assert_eq!(seen("version = 1"), ["rules.toml"]);
    let twice = "version = 1\npacks = [\"search\"]\n[[pack]]\nname = \"search\"\nas = \"b\"";
    assert_eq!(seen(twice), ["rules.toml", "pack:search"]);
}
