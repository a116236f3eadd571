//! Which rules take part in decisions, and which ones no test of the rule files
//! exercises.
//!
//! A rule takes part where the decision would name it: it gave the permission,
//! asked, or refused. One that matched and was outdone by a more specific rule
//! did not. `cofferdam policy test` calls this, and so does whoever compares
//! decisions.

use std::collections::BTreeSet;

use crate::decision::{Decision, Effect};
use crate::rules::RuleSet;

/// How much of a rule set its tests exercise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// How many rules there are.
    pub rules: usize,
    /// Those that no test exercises, in the byte order of their ids.
    pub missing: Vec<Unexercised>,
}

/// A rule that no test exercises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexercised {
    /// Its id.
    pub id: String,
    /// What it says.
    pub effect: Effect,
}

impl Coverage {
    /// How many rules are exercised.
    #[must_use]
    pub fn exercised(&self) -> usize {
        self.rules.saturating_sub(self.missing.len())
    }

    /// Percent of the rules that are exercised, rounded down; 100 where there is
    /// no rule.
    #[must_use]
    pub fn percent(&self) -> usize {
        (self.exercised() * 100).checked_div(self.rules).unwrap_or(100)
    }
}

impl Decision {
    /// Ids of all rules that took part, in byte order: those that permitted or
    /// refused, and those that want people to agree.
    #[must_use]
    pub fn involved(&self) -> Vec<String> {
        let mut rules: BTreeSet<String> = self.rules().into_iter().collect();
        if let Self::Ask(pending) = self {
            rules.extend(pending.asks().iter().map(|ask| ask.demand.rule.clone()));
        }
        rules.into_iter().collect()
    }
}

impl RuleSet {
    /// How much of the rules their tests exercise, whether they pass or not.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let decided = self.cases().iter().map(|case| self.decide(case.call().clone()));
        let exercised: BTreeSet<String> =
            decided.flat_map(|decision| decision.involved()).collect();
        let missing = self
            .rules
            .iter()
            .filter(|rule| !exercised.contains(&rule.id))
            .map(|rule| Unexercised { id: rule.id.clone(), effect: rule.effect })
            .collect();
        Coverage { rules: self.rules.len(), missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(tests: &str) -> Coverage {
        let rules = format!(
            "version = 1\n\
             [[rule]]\nid = 'a'\neffect = 'allow'\nprograms = [{{ any = true }}]\n\
             [[rule]]\nid = 'b'\neffect = 'allow'\nprograms = [{{ name = 'ls' }}]\n\
             [[rule]]\nid = 'c'\neffect = 'ask'\nprograms = [{{ name = 'mv' }}]\n\
             [[rule]]\nid = 'd'\neffect = 'deny'\nprograms = [{{ name = 'rm' }}]\n{tests}"
        );
        RuleSet::parse(&[("rules.toml", &rules)], [0; 32]).unwrap().coverage()
    }

    fn test(program: &str, expect: &str) -> String {
        format!(
            "[[test]]\nname = '{program}'\nexpect = '{expect}'\n\
             call = {{ tool = 'execute_command', program = '{program}' }}\n"
        )
    }

    #[test]
    fn a_rule_is_exercised_where_it_permits_asks_or_refuses() {
        let all: String = [("cat", "allow"), ("ls", "allow"), ("mv", "ask"), ("rm", "deny")]
            .map(|(program, expect)| test(program, expect))
            .concat();
        assert_eq!(coverage(&all), Coverage { rules: 4, missing: Vec::new() });
    }

    #[test]
    fn a_rule_that_was_outdone_is_not_exercised() {
        let found = coverage(&test("ls", "allow"));
        let missing: Vec<&str> = found.missing.iter().map(|rule| &*rule.id).collect();
        assert_eq!(missing, ["a", "c", "d"]);
        assert_eq!((found.exercised(), found.percent()), (1, 25));
    }
}
