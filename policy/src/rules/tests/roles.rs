//! Roles and claims: who holds what, and what is wrong with them.

use std::fmt::Write as _;

use super::{error, parse};
use crate::subject::{Claims, Subject};

/// A rule set with these roles and one rule for those who hold `asked`.
fn with_roles(roles: &str, asked: &str) -> String {
    format!(
        "version = 1\n[sets]\nteams = [\"infra\", \"data\"]\n[roles]\n{roles}\n[[rule]]\nid = \
         \"a\"\neffect = \"allow\"\nsubjects = {{ roles = [\"{asked}\"] }}\nprograms = [{{ any = \
         true }}]\n"
    )
}

fn holds(written: &str, asked: &str, subject: &Subject) -> bool {
    let rules = parse(&with_roles(written, asked)).unwrap_or_else(|errors| panic!("{errors}"));
    rules.rules[0].selectors.subjects.select(subject, &rules.roles.held_by(subject))
}

fn subject(user: &str, groups: &[&str], claims: &[(&str, &str)]) -> Subject {
    let mut all = Claims::default();
    for (name, value) in claims {
        all.add(name, value).unwrap();
    }
    Subject {
        user: user.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        claims: all,
        ..Subject::default()
    }
}

#[test]
fn all_lists_of_a_role_have_to_match_and_one_of_its_alternatives() {
    let roles = r#"ops = [{ users = ["ann", "bo"], groups = ["ops"] }, { users = ["eve"] }]"#;
    assert!(holds(roles, "ops", &subject("ann", &["ops"], &[])));
    assert!(!holds(roles, "ops", &subject("ann", &["dev"], &[])));
    assert!(!holds(roles, "ops", &subject("cy", &["ops"], &[])));
    assert!(holds(roles, "ops", &subject("eve", &[], &[])));
}

#[test]
fn a_role_may_name_roles_whatever_their_order_in_the_file() {
    let roles = "a = { roles = [\"b\"] }\nb = [{ roles = [\"d\"] }, { roles = [\"c\"] }]\n\
                 c = { users = [\"ann\"] }\nd = { groups = [\"x\"], roles = [\"c\"] }";
    for role in ["a", "b", "c"] {
        assert!(holds(roles, role, &subject("ann", &[], &[])), "{role}");
        assert!(!holds(roles, role, &subject("bo", &[], &[])), "{role}");
    }
    assert!(!holds(roles, "d", &subject("ann", &[], &[])));
}

#[test]
fn many_ways_to_the_same_role_take_no_longer_than_one() {
    let mut roles = "r0 = { users = [\"ann\"] }\n".to_owned();
    for level in 1..400 {
        let below = level - 1;
        let one = format!("{{ roles = [\"r{below}\", \"r{below}\"] }}");
        writeln!(roles, "r{level} = [{one}, {one}]").unwrap();
    }
    assert!(holds(&roles, "r399", &subject("ann", &[], &[])));
    assert!(!holds(&roles, "r399", &subject("bo", &[], &[])));
}

#[test]
fn a_claim_matches_by_any_of_its_values_and_each_named_claim_is_needed() {
    let role = r#"infra = { claims = { team = ["@teams"], level = ["*-lead"] } }"#;
    let lead = ("level", "site-lead");
    assert!(holds(role, "infra", &subject("", &[], &[("team", "x"), ("team", "data"), lead])));
    assert!(!holds(role, "infra", &subject("", &[], &[("team", "x"), lead])));
    assert!(!holds(role, "infra", &subject("", &[], &[("team", "data")])));
    assert!(!holds(role, "infra", &subject("", &[], &[])));
}

#[test]
fn a_circle_of_roles_is_told_with_its_way_and_places() {
    let roles = "a = { roles = [\"b\"] }\nb = { users = [\"x\"], roles = [\"c\"] }\nc = { roles = \
                 [\"b\"] }";
    let message = error(&with_roles(roles, "a"));
    let way = "b (rules.toml:6:1) -> c (rules.toml:7:1) -> b";
    assert!(message.starts_with("rules.toml:7:16: roles.c: "), "{message}");
    assert!(message.contains(way), "{message}");
    assert!(error(&with_roles("a = { roles = [\"a\"] }", "a")).contains("-> a; take"));
    let message = error("version = 1\n[sets]\ns = [\"a\"]\n[roles]\na = { roles = [\"@s\"] }");
    assert!(message.contains("circle"), "{message}");
}

#[test]
fn roles_that_mean_nothing_or_everybody_are_refused() {
    for (roles, asked, part) in [
        ("a = { users = [\"x\"] }", "b", "no role is named `b`; did you mean `a`? there is a"),
        ("a = { roles = [\"b\"] }", "a", "no role is named `b`"),
        ("a = {}", "a", "nobody in particular"),
        ("a = []", "a", "nobody in particular"),
        ("a = [{ users = [\"x\"] }, {}]", "a", "nobody in particular"),
        ("a = { users = [] }", "a", "an empty list"),
        ("a = { claims = { team = [] } }", "a", "an empty list"),
        ("a = { claims = { team = [\"@gone\"] } }", "a", "no set is named"),
        ("a = { user = [\"x\"] }\n", "a", "unknown field `user`"),
    ] {
        let text = with_roles(roles, asked);
        let errors = parse(&text).expect_err(&text).errors;
        assert!(errors[0].to_string().contains(part), "{roles}: {}", errors[0]);
    }
    assert!(error("version = 1\nroles = 3").contains("a table of roles"));
    let text = "version = 1\n[roles]\na = { users = [\"x\"] }";
    let errors = crate::RuleSet::parse(&[("one", text), ("two", text)], [0; 32]).unwrap_err();
    assert!(
        errors.errors[0]
            .to_string()
            .contains("two:3:1: roles.a: there is a role of this name already, at one:3:1")
    );
    let mut many = String::new();
    for number in 0..1001 {
        writeln!(many, "r{number} = {{ users = [\"x\"] }}").unwrap();
    }
    assert!(error(&with_roles(&many, "r1")).contains("more than 1000"));
}

#[test]
fn a_test_may_say_claims() {
    let text = format!(
        "{}[[test]]\nname = \"t\"\nexpect = \"allow\"\ncall = {{ claims = {{ team = [\"infra\"] }}, \
         tool = \"execute_command\", program = \"x\" }}\n",
        with_roles("infra = { claims = { team = [\"infra\"] } }", "infra")
    );
    parse(&text).unwrap().check_tests().unwrap();
    let message = error(&text.replace("[\"infra\"] }, tool", "[\"\"] }, tool"));
    assert!(message.contains("1 to 255 bytes"), "{message}");
}
