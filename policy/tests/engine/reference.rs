//! The rule language once more, out of its description in
//! `packaging/config/rules.toml` and the head of `policy/src/rules.rs`.
//!
//! It reads the TOML as plain values, at each call anew, and tries every rule
//! and every way in which a pattern may match. It shares no code with the engine
//! but the types of a call. What it does not know, it panics about.

pub(crate) mod arguments;
pub(crate) mod conditions;
pub(crate) mod given;
pub(crate) mod glob;
pub(crate) mod opened;
pub(crate) mod parts;
pub(crate) mod paths;
pub(crate) mod programs;
pub(crate) mod select;
pub(crate) mod units;

use std::collections::BTreeSet;

use cofferdam_policy::{Call, Effect};
use given::Given;
use parts::{Part, parts};
use toml::{Table, Value};

/// How sure something is. An allow rule wants `Yes`; a deny or ask rule fires on
/// `Perhaps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sure {
    No,
    Perhaps,
    Yes,
}

impl Sure {
    pub(crate) fn when(condition: bool) -> Self {
        if condition { Self::Yes } else { Self::No }
    }
}

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) effect: Effect,
    /// The rules that permitted, or those that refused.
    pub(crate) rules: BTreeSet<String>,
    pub(crate) given: Option<Given>,
}

/// A rule file.
pub(crate) struct Rules {
    pub(crate) list: Vec<Table>,
    pub(crate) sets: Table,
    pub(crate) roles: Table,
    pub(crate) profiles: Vec<String>,
}

const SCOPES: [&str; 4] = ["system", "organisation", "project", "user"];

impl Rules {
    pub(crate) fn read(text: &str) -> Self {
        let mut table: Table = text.parse().unwrap();
        let list = |value: Option<Value>| match value {
            Some(Value::Array(all)) => all,
            None => Vec::new(),
            other => panic!("{other:?}"),
        };
        let tables = |value: Option<Value>| match value {
            Some(Value::Table(table)) => table,
            None => Table::new(),
            other => panic!("{other:?}"),
        };
        Self {
            sets: tables(table.remove("sets")),
            roles: tables(table.remove("roles")),
            profiles: strings(&Value::Array(list(table.remove("profiles")))),
            list: list(table.remove("rule"))
                .into_iter()
                .map(|rule| rule.as_table().unwrap().clone())
                .collect(),
        }
    }

    /// Decides a call.
    pub(crate) fn decide(&self, call: &Call) -> Verdict {
        let Some(parts) = parts(call) else { return denied(BTreeSet::new()) };
        let meant: Vec<&Table> =
            self.list.iter().filter(|rule| self.is_meant(rule, call)).collect();
        let mut refused = BTreeSet::new();
        let mut permitted: Vec<(&Part, Vec<&Table>)> = Vec::new();
        let mut all = true;
        let mut asked = false;
        for part in &parts.list {
            let denying: Vec<&&Table> = meant
                .iter()
                .filter(|rule| effect(rule) == "deny" && conditions::is_in_time(rule, call))
                .filter(|rule| self.guards(rule, part, &parts, call) != Sure::No)
                .collect();
            refused.extend(denying.iter().map(|rule| id(rule)));
            if !denying.is_empty() || part.is_harmless() {
                continue;
            }
            let opened = self.opened(&meant, part, &parts, call);
            let met = |rule: &Table| {
                opened.iter().any(|used| {
                    tables(rule, "paths")
                        .iter()
                        .any(|path| paths::guards(path, used, parts.around.workspace) != Sure::No)
                })
            };
            let met: Vec<&&Table> = meant
                .iter()
                .filter(|rule| conditions::is_in_time(rule, call) && met(rule))
                .collect();
            asked |= met.iter().any(|rule| effect(rule) == "ask");
            let denying: Vec<String> =
                met.iter().filter(|rule| effect(rule) == "deny").map(|rule| id(rule)).collect();
            if !denying.is_empty() {
                refused.extend(denying);
                continue;
            }
            match self.permitting(&meant, part, &parts, call) {
                Some(rules) => permitted.push((part, rules)),
                None => all = false,
            }
        }
        if !refused.is_empty() || !all {
            return denied(refused);
        }
        let rules: BTreeSet<String> =
            permitted.iter().flat_map(|(_, rules)| rules.iter().map(|rule| id(rule))).collect();
        let Some(given) = self.given(&permitted, call) else { return denied(rules) };
        let asks = asked
            || parts.list.iter().any(|part| {
                meant.iter().filter(|rule| conditions::is_in_time(rule, call)).any(|rule| {
                    (effect(rule) == "ask" && self.guards(rule, part, &parts, call) != Sure::No)
                        || self.asks_for(rule, part, &parts, call)
                })
            });
        let effect = if asks { Effect::Ask } else { Effect::Allow };
        Verdict { effect, rules, given: Some(given) }
    }

    /// For each scope that has to permit, the rule that gives the grant.
    fn permitting<'r>(
        &self,
        meant: &[&'r Table],
        part: &Part,
        parts: &parts::Parts<'_>,
        call: &Call,
    ) -> Option<Vec<&'r Table>> {
        let positive = |rule: &Table| effect(rule) != "deny";
        let base = SCOPES.iter().position(|wanted| {
            self.list.iter().any(|rule| positive(rule) && scope(rule) == *wanted)
        })?;
        let mut chosen = Vec::new();
        for (place, name) in SCOPES.iter().enumerate().skip(base) {
            let speaks = self.list.iter().any(|rule| {
                positive(rule) && scope(rule) == *name && self.is_meant_here(rule, call)
            });
            if place > base && !speaks {
                continue;
            }
            let mut candidates: Vec<(_, &Table)> = meant
                .iter()
                .filter(|rule| positive(rule) && scope(rule) == *name)
                .filter_map(|rule| {
                    Some((self.permits(rule, place == base, part, parts, call)?, *rule))
                })
                .collect();
            // The most specific one, then the smaller id.
            candidates.sort_by(|(one, a), (other, b)| other.cmp(one).then(id(a).cmp(&id(b))));
            chosen.push(candidates.first()?.1);
        }
        Some(chosen)
    }
}

fn denied(rules: BTreeSet<String>) -> Verdict {
    Verdict { effect: Effect::Deny, rules, given: None }
}

pub(crate) fn id(rule: &Table) -> String {
    rule["id"].as_str().unwrap().to_owned()
}

pub(crate) fn effect(rule: &Table) -> &str {
    rule["effect"].as_str().unwrap()
}

pub(crate) fn scope(rule: &Table) -> &str {
    rule.get("scope").map_or("organisation", |scope| scope.as_str().unwrap())
}

pub(crate) fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The tables of a list in a rule; none where it is left out.
pub(crate) fn tables<'r>(rule: &'r Table, key: &str) -> Vec<&'r Table> {
    rule.get(key)
        .map(|list| list.as_array().unwrap().iter().map(|one| one.as_table().unwrap()).collect())
        .unwrap_or_default()
}
