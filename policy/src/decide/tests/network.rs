//! What the rules that permit a call let it reach together.

use super::{line, program, rules};
use crate::action::Call;
use crate::decision::Decision;
use crate::rules::RuleSet;

const RULES: &str = r#"
[[rule]]
id = "curl"
effect = "allow"
programs = [{ name = "curl" }]
shell = "parsed"
grant = { network = ["b.org:443", "a.org:443"] }
[[rule]]
id = "npm"
effect = "allow"
programs = [{ name = "npm" }]
shell = "parsed"
grant = { network = ["*.npmjs.org:443"] }
[[rule]]
id = "cat"
effect = "allow"
programs = [{ name = "cat" }]
shell = "parsed"
"#;

const NARROWER: &str = r#"
[[rule]]
id = "project"
effect = "allow"
scope = "project"
programs = [{ names = ["curl", "cat"] }]
grant = { network = ["*.org:443"] }
"#;

/// The lists of what is granted.
fn network(rules: &RuleSet, call: Call) -> Vec<Vec<String>> {
    let decision = rules.decide(call);
    let Decision::Permit(permit) = decision else { panic!("{}", decision.line()) };
    permit.grant().network.to_texts()
}

#[test]
fn a_rule_that_says_nothing_leaves_the_network_to_the_profile() {
    assert!(network(&rules(RULES), program(&["cat"])).is_empty());
}

#[test]
fn the_lists_of_all_scopes_stand_side_by_side() {
    let rules = rules(&[RULES, NARROWER].concat());
    let both = network(&rules, program(&["curl"]));
    assert_eq!(both, [vec!["*.org:443"], vec!["a.org:443", "b.org:443"]]);
    assert_eq!(network(&rules, program(&["cat"])), [["*.org:443"]]);
}

#[test]
fn the_commands_of_a_line_reach_only_what_each_of_them_may() {
    let rules = rules(RULES);
    let both = network(&rules, line("curl a | npm install; cat x"));
    assert_eq!(both, [vec!["*.npmjs.org:443"], vec!["a.org:443", "b.org:443"]]);
    assert_eq!(network(&rules, line("curl a | curl b")), [["a.org:443", "b.org:443"]]);
}

#[test]
fn a_line_with_more_different_lists_than_a_host_takes_is_denied() {
    let rule = |number: usize| {
        format!(
            "[[rule]]\nid = 'p{number}'\neffect = 'allow'\nprograms = [{{ name = 'p{number}' }}]\n\
             shell = 'parsed'\ngrant = {{ network = ['a.org:{number}'] }}\n"
        )
    };
    let rules = rules(&(1..=17).map(rule).collect::<Vec<_>>().concat());
    let words = |most: usize| (1..=most).map(|it| format!("p{it};")).collect::<Vec<_>>().concat();
    assert_eq!(network(&rules, line(&words(16))).len(), 16);
    let Decision::Deny(denial) = rules.decide(line(&words(17))) else { panic!("it is too many") };
    assert!(denial.line().contains("too many different `network` lists"), "{}", denial.line());
}

#[test]
fn an_explanation_tells_what_may_be_reached() {
    let told = rules(RULES).decide(program(&["curl"])).explain();
    assert!(told.contains("network only a.org:443, b.org:443"), "{told}");
}
