//! What has to hold for all rules and calls: more deny rules, narrower scopes
//! and fewer allow rules never permit more, order never matters, grants of
//! several rules are as narrow as the narrowest, and explanations say what was
//! decided.

use cofferdam_policy::{Action, Call, Decision, Effect, Grant, ProfileOrder, RuleSet};
use proptest::prelude::*;
use proptest::sample::select;

use crate::agreement::parse;
use crate::calls;
use crate::rules::{self, Rule, file};

const SCOPES: [&str; 4] = ["system", "organisation", "project", "user"];

fn several() -> impl Strategy<Value = Vec<Call>> {
    proptest::collection::vec(calls::call(), 8)
}

/// What a decision gives once everybody agrees.
fn grant(decision: &Decision) -> Option<&Grant> {
    match decision {
        Decision::Permit(permit) => Some(permit.grant()),
        Decision::Ask(pending) => Some(&pending.basis().grant),
        Decision::Deny(_) => None,
    }
}

/// How much an effect lets happen.
fn openness(effect: Effect) -> u8 {
    match effect {
        Effect::Allow => 2,
        Effect::Ask => 1,
        Effect::Deny => 0,
    }
}

fn effect(set: &RuleSet, call: &Call) -> Effect {
    set.decide(call.clone()).effect()
}

fn redirects(call: &Call) -> bool {
    let Action::Execute(execute) = &call.action else { return false };
    execute.script.as_ref().is_some_and(|script| !script.redirections.is_empty())
}

fn order() -> ProfileOrder {
    ProfileOrder::new(["readonly", "default", "build"].map(str::to_owned).into())
}

/// The widest scope that has an allow or ask rule: what others are measured by.
fn base(rules: &[Rule]) -> Option<&'static str> {
    SCOPES
        .into_iter()
        .find(|scope| rules.iter().any(|rule| rule.scope == *scope && rule.effect != "deny"))
}

proptest! {
    #![proptest_config(crate::cases(250))]

    #[test]
    fn one_more_deny_rule_never_permits_more(
        rules in rules::some(10), mut deny in rules::of("deny"), calls in several(),
    ) {
        deny.id = "new".to_owned();
        let without = parse(&file(&rules));
        let with = parse(&file(&[rules, vec![deny]].concat()));
        for call in &calls {
            prop_assert!(openness(effect(&with, call)) <= openness(effect(&without, call)));
        }
    }

    #[test]
    fn what_narrower_scopes_say_never_widens(
        rules in rules::some(10), which in select(&SCOPES[..]), calls in several(),
    ) {
        let Some(base) = base(&rules) else { return Ok(()) };
        let place = |scope: &str| SCOPES.iter().position(|known| *known == scope);
        let said = |rule: &Rule| rule.scope == which && place(rule.scope) > place(base);
        let silent: Vec<Rule> = rules.iter().filter(|rule| !said(rule)).cloned().collect();
        let (with, without) = (parse(&file(&rules)), parse(&file(&silent)));
        for call in &calls {
            prop_assert!(openness(effect(&with, call)) <= openness(effect(&without, call)));
        }
    }

    /// About what is permitted at all: where a rule goes, a wider one may give
    /// the grant instead, and with it redirections may be written. In one scope,
    /// because a scope whose last rule goes says nothing any more.
    #[test]
    fn one_allow_rule_less_never_permits_more(
        rules in rules::some(10), which in any::<prop::sample::Index>(), calls in several(),
    ) {
        let rules: Vec<Rule> = rules.iter().map(Rule::plain).collect();
        let allows: Vec<&Rule> = rules.iter().filter(|rule| rule.effect == "allow").collect();
        let Some(last) = allows.len().checked_sub(1) else { return Ok(()) };
        let one = allows[which.index(last + 1)];
        let fewer: Vec<Rule> = rules.iter().filter(|rule| rule.id != one.id).cloned().collect();
        let (with, without) = (parse(&file(&rules)), parse(&file(&fewer)));
        for call in calls.iter().filter(|call| !redirects(call)) {
            prop_assert!(openness(effect(&without, call)) <= openness(effect(&with, call)));
        }
    }

    #[test]
    fn neither_the_order_of_rules_nor_of_files_matters(
        (rules, other) in rules::some(10).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        split in any::<prop::sample::Index>(),
        calls in several(),
    ) {
        let one = parse(&file(&rules));
        let shuffled = parse(&file(&other));
        let (head, tail) = other.split_at(split.index(other.len() + 1));
        let head = file(head);
        let tail = file(tail);
        let tail: Vec<&str> = tail.split("[[rule]]").skip(1).collect();
        let tail = format!("version = 1\n{}{}", if tail.is_empty() { "" } else { "[[rule]]" }, tail.join("[[rule]]"));
        let files = RuleSet::parse(&[("b.toml", &tail), ("a.toml", &head)], [0; 32]).unwrap();
        for call in &calls {
            let expected = one.decide(call.clone());
            prop_assert_eq!(&expected, &shuffled.decide(call.clone()));
            prop_assert_eq!(&expected, &files.decide(call.clone()));
        }
    }

    #[test]
    fn explanations_say_what_was_decided(rules in rules::some(10), calls in several()) {
        let set = parse(&file(&rules));
        for call in &calls {
            let decision = set.decide(call.clone());
            let (line, story) = (decision.line(), decision.explain());
            let (word, told) = match decision.effect() {
                Effect::Allow => ("permitted by", "permitted by"),
                Effect::Ask => ("wants a human", "a human must agree"),
                Effect::Deny => ("denied: ", "denied: "),
            };
            prop_assert!(line.contains(word) && story.contains(told), "{}\n{}", line, story);
            for rule in decision.rules() {
                prop_assert!(story.contains(&format!("`{rule}`")), "{}\n{}", rule, story);
            }
        }
    }

    #[test]
    fn a_grant_of_several_rules_is_as_narrow_as_the_narrowest(
        rules in rules::some(10), calls in several(),
    ) {
        let Some(base) = base(&rules) else { return Ok(()) };
        let set = parse(&file(&rules));
        let wide: Vec<Rule> = rules
            .iter()
            .filter(|rule| rule.effect == "deny" || rule.scope == base)
            .cloned()
            .collect();
        let wide = parse(&file(&wide));
        for call in &calls {
            let (all, base) = (set.decide(call.clone()), wide.decide(call.clone()));
            let Some(all) = grant(&all) else { continue };
            let base = grant(&base);
            prop_assert!(base.is_some(), "permitted, though the widest scope does not");
            let met = base.and_then(|base| all.meet(base, &order()).ok());
            prop_assert_eq!(met.as_ref(), Some(all));
        }
    }
}
