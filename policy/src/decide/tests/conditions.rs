//! Times, layers and arguments that need a human: when a rule applies.

use super::*;

fn at(call: Call, at: &str) -> Call {
    Call { at: at.parse().unwrap(), ..call }
}

fn on(call: Call, layers: Option<&[&str]>) -> Call {
    let layers = layers.map(|layers| layers.iter().map(|layer| (*layer).to_owned()).collect());
    Call { host: Host { layers, ..call.host.clone() }, ..call }
}

fn denial(rules: &RuleSet, call: Call) -> String {
    let Decision::Deny(denial) = rules.decide(call) else { panic!("not denied") };
    denial.line()
}

const MONDAY: &str = "2026-01-05T12:00:00Z";
const SUNDAY: &str = "2026-01-04T12:00:00Z";

#[test]
fn an_allow_rule_outside_its_time_permits_nothing_and_says_when_it_does() {
    let rules = rules(
        "[[rule]]\nid='a'\neffect='allow'\nprograms=[{name='ls'}]\nvalid={from='2026-01-01T00:00:00Z',\
         until='2026-02-01T00:00:00Z'}\nwhen={days=['mon'],from='08:00',until='18:00',zone='+01:00'}",
    );
    assert_eq!(effect(&rules, at(program(&["ls"]), MONDAY)), Effect::Allow);
    let told = denial(&rules, at(program(&["ls"]), SUNDAY));
    assert!(
        told.contains(
            "rule `a` applies mon from 08:00 until 18:00 (+01:00); there it is sun 13:00"
        ),
        "{told}"
    );
    let told = denial(&rules, at(program(&["ls"]), "2025-12-29T12:00:00Z"));
    assert!(told.contains("rule `a` is valid from 2026-01-01T00:00:00Z on"), "{told}");
    let told = denial(&rules, at(program(&["ls"]), "2026-02-02T12:00:00Z"));
    assert!(told.contains("rule `a` was valid until 2026-02-01T00:00:00Z"), "{told}");
    let told = denial(&rules, at(program(&["rm"]), SUNDAY));
    assert!(!told.contains("Allowed"), "what is not in time is not nearby: {told}");
}

#[test]
fn deny_and_ask_rules_apply_in_their_time_only() {
    let guarded = |effect: &str| {
        rules(&format!(
            "[[rule]]\nid='a'\neffect='allow'\nprograms=[{{name='ls'}}]\n[[rule]]\nid='b'\neffect=\
             '{effect}'\nprograms=[{{name='ls'}}]\nwhen={{days=['sun']}}"
        ))
    };
    for (written, sunday) in [("deny", Effect::Deny), ("ask", Effect::Ask)] {
        assert_eq!(effect(&guarded(written), at(program(&["ls"]), SUNDAY)), sunday);
        assert_eq!(effect(&guarded(written), at(program(&["ls"]), MONDAY)), Effect::Allow);
    }
}

#[test]
fn a_narrower_scope_that_is_out_of_time_still_narrows() {
    let rules = rules(
        "[[rule]]\nid='a'\neffect='allow'\nprograms=[{any=true}]\n[[rule]]\nid='b'\nscope='project'\n\
         effect='allow'\nprograms=[{name='ls'}]\nvalid={until='2026-01-05T00:00:00Z'}",
    );
    assert_eq!(effect(&rules, at(program(&["ls"]), SUNDAY)), Effect::Allow);
    for words in [["ls"], ["rm"]] {
        assert_eq!(effect(&rules, at(program(&words), MONDAY)), Effect::Deny);
    }
}

#[test]
fn a_rule_that_requires_layers_permits_nothing_where_one_is_missing_or_unknown() {
    let rules = rules(
        "[[rule]]\nid='a'\neffect='allow'\nprograms=[{name='ls'}]\nrequire=['seccomp','landlock']",
    );
    let ls = || program(&["ls"]);
    assert_eq!(effect(&rules, on(ls(), Some(&["landlock", "seccomp", "user"]))), Effect::Allow);
    let told = denial(&rules, on(ls(), Some(&["landlock"])));
    assert!(told.contains("rule `a` wants the layer `seccomp`, which the host `web-1` cannot"));
    let told = denial(&rules, on(ls(), None));
    assert!(told.contains("the host `web-1` has not said what it holds"), "{told}");
}

const PUSH: &str = "[[rule]]\nid='a'\neffect='allow'\nreason='tags are public'\nshell='parsed'\n\
    programs=[{name='git',args=['push',{rest=true}]}, {name='ls'}]\n\
    ask_if=['--force',{glob='refs/tags/*'}]\n";

#[test]
fn a_human_is_asked_where_an_argument_matches_or_may_match() {
    let rules = rules(PUSH);
    assert_eq!(effect(&rules, program(&["git", "push", "origin"])), Effect::Allow);
    assert_eq!(effect(&rules, program(&["git", "push", "--force"])), Effect::Ask);
    assert_eq!(effect(&rules, program(&["git", "push", "o", "refs/tags/v1"])), Effect::Ask);
    assert_eq!(effect(&rules, line("ls && git push --force")), Effect::Ask);
    assert_eq!(effect(&rules, line("git push \"$where\"")), Effect::Ask);
    let Decision::Ask(pending) = rules.decide(program(&["git", "push", "--force"])) else {
        panic!()
    };
    assert_eq!(pending.asks()[0].reason, "tags are public");
}

#[test]
fn another_rule_that_permits_the_same_does_not_take_the_asking_away() {
    let rules = rules(&format!(
        "{PUSH}[[rule]]\nid='b'\neffect='allow'\nprograms=[{{path='/usr/bin/git',args=['push','--force']}}]"
    ));
    assert_eq!(effect(&rules, program(&["/usr/bin/git", "push", "--force"])), Effect::Ask);
}

#[test]
fn none_of_permits_what_surely_matches_none_and_any_of_what_matches_one() {
    let rules = rules(
        "[[rule]]\nid='a'\neffect='allow'\nshell='parsed'\nprograms=[\
         {name='find',args=[{rest={none_of=['-delete',{glob='-exec*'}]}}]},\
         {name='ls',args=[{rest={any_of=['-l',{beneath='workspace'}]}}]}]",
    );
    for (words, expected) in [
        (&["find", ".", "-name", "x"][..], Effect::Allow),
        (&["find"], Effect::Allow),
        (&["find", ".", "-delete"], Effect::Deny),
        (&["find", ".", "-execdir", "rm"], Effect::Deny),
        (&["ls", "-l", "src"], Effect::Allow),
        (&["ls", "-R"], Effect::Deny),
        (&["ls", "/etc"], Effect::Deny),
    ] {
        assert_eq!(effect(&rules, program(words)), expected, "{words:?}");
    }
    assert_eq!(effect(&rules, line("find . -name '*.rs'")), Effect::Allow);
    for unknown in ["find . $x", "find . \"$x\"", "find . -e{xec,x}", "ls \"$x\""] {
        assert_eq!(effect(&rules, line(unknown)), Effect::Deny, "{unknown}");
    }
}

#[test]
fn a_deny_rule_with_none_of_fires_where_an_argument_may_be_another() {
    let rules = rules(
        "[[rule]]\nid='a'\neffect='allow'\nshell='parsed'\nprograms=[{any=true}]\n[[rule]]\nid='b'\n\
         effect='deny'\nprograms=[{name='git',args=[{none_of=['log','diff']},{rest=true}]}]",
    );
    assert_eq!(effect(&rules, line("git log")), Effect::Allow);
    assert_eq!(effect(&rules, line("git push")), Effect::Deny);
    assert_eq!(effect(&rules, line("git \"$x\"")), Effect::Deny);
}
