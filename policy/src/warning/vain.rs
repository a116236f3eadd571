//! Allow and ask rules that never permit anything: a deny rule is met by all that
//! they name, or the widest scope permits none of it.

use std::collections::HashMap;

use super::cover::{guards, may_share, selects};
use super::{Warning, WarningKind};
use crate::rules::RuleSet;
use crate::rules::place::file_name;
use crate::rules::program::Which;
use crate::rules::rule::{Rule, Scope};

pub(super) fn find(set: &RuleSet) -> Vec<Warning> {
    let denies = Denies::new(&set.rules);
    let positive = || set.rules.iter().filter(|rule| rule.is_positive());
    let base = set.base.unwrap_or_default();
    let widest: Vec<&Rule> = positive().filter(|rule| rule.scope == base).collect();
    positive()
        .filter_map(|rule| match denies.of(rule) {
            Some(deny) => Some(denied(rule, deny)),
            None if rule.scope > base && !widest.iter().any(|wide| may_share(wide, rule)) => {
                Some(not_permitted(rule, base))
            }
            None => None,
        })
        .collect()
}

/// Deny rules that hold at all times, by the program that they name first, so
/// that not each has to be compared with each.
struct Denies<'r> {
    named: HashMap<&'r [u8], Vec<&'r Rule>>,
    others: Vec<&'r Rule>,
}

impl<'r> Denies<'r> {
    fn new(rules: &'r [Rule]) -> Self {
        let mut denies = Self { named: HashMap::new(), others: Vec::new() };
        let always = |rule: &&Rule| !rule.is_positive() && rule.conditions.are_none();
        for rule in rules.iter().filter(always) {
            let names: Option<Vec<&[u8]>> = rule
                .programs
                .iter()
                .map(|one| called(&one.which))
                .collect::<Option<Vec<_>>>()
                .map(|all| all.concat());
            match names {
                Some(names) if !names.is_empty() => {
                    for name in names {
                        denies.named.entry(name).or_default().push(rule);
                    }
                }
                _ => denies.others.push(rule),
            }
        }
        denies
    }

    /// The first deny rule that is met by all that `rule` permits.
    fn of(&self, rule: &Rule) -> Option<&'r Rule> {
        let name = rule.programs.first().and_then(|one| called(&one.which)?.first().copied());
        let named = name.and_then(|name| self.named.get(name)).into_iter().flatten();
        let covers =
            |deny: &&&'r Rule| selects(&deny.selectors, &rule.selectors) && guards(deny, rule);
        self.others.iter().chain(named).find(covers).copied()
    }
}

/// The file names of the programs; `None` where they are not named one by one.
fn called(which: &Which) -> Option<Vec<&[u8]>> {
    match which {
        Which::Any | Which::Under(_) => None,
        Which::Names(names) => Some(names.iter().map(String::as_bytes).collect()),
        Which::Path(path) => Some(vec![file_name(path.as_bytes())]),
    }
}

fn denied(rule: &Rule, deny: &Rule) -> Warning {
    Warning {
        place: rule.place.clone(),
        kind: WarningKind::Unreachable,
        key: format!("rule {}", rule.id),
        message: format!("it never permits anything, because rule `{}` denies all of it", deny.id),
        help: format!("take the rule out, or narrow rule `{}`", deny.id),
        other: Some((format!("rule `{}` is here", deny.id), deny.place.clone())),
    }
}

fn not_permitted(rule: &Rule, base: Scope) -> Warning {
    let scope = rule.scope;
    Warning {
        place: rule.place.clone(),
        kind: WarningKind::Unreachable,
        key: format!("rule {}", rule.id),
        message: format!(
            "it never permits anything, because no rule of the scope {base} does, which is the \
             widest one, and the scope {scope} can only narrow"
        ),
        help: format!("permit it in the scope {base} too, or take the rule out"),
        other: None,
    }
}
