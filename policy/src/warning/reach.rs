//! Deny rules on paths beside rules that permit programs.
//!
//! A rule on paths is about what a call itself opens, by file tools and redirections,
//! and about what rules say that their programs open. Of a program of which no rule
//! says that it sees nothing, nor could it: `cat` names a file, `make` names none. So
//! such a rule reads as if it kept a secret, and does not.

use std::collections::BTreeSet;

use super::{Warning, WarningKind};
use crate::decision::Effect;
use crate::rules::argument::{Element, Value};
use crate::rules::program::{ProgramPattern, Which};
use crate::rules::rule::Rule;

/// The most paths that are told.
const MAX_TOLD: usize = 4;

pub(super) fn find(rules: &[Rule]) -> Vec<Warning> {
    let told: BTreeSet<&str> = rules
        .iter()
        .filter(|rule| rule.is_positive())
        .flat_map(|rule| rule.programs.iter().chain(&rule.opened_by))
        .filter(|pattern| pattern.opens())
        .flat_map(|pattern| names(&pattern.which))
        .collect();
    let is_told = |pattern: &ProgramPattern| {
        let names = names(&pattern.which);
        !names.is_empty() && names.iter().all(|name| told.contains(name))
    };
    let open = |rule: &Rule| {
        rule.programs.iter().position(|pattern| is_open(pattern) && !is_told(pattern))
    };
    // One is enough to say what is meant.
    let found =
        rules.iter().filter(|rule| rule.is_positive()).find_map(|rule| Some((rule, open(rule)?)));
    let Some((other, at)) = found else { return Vec::new() };
    let guards = rules.iter().filter(|rule| rule.effect == Effect::Deny && !rule.paths.is_empty());
    guards.map(|guard| warning(guard, other, &other.programs[at])).collect()
}

fn warning(guard: &Rule, other: &Rule, program: &ProgramPattern) -> Warning {
    let told_program = program.to_string();
    let told: Vec<_> = guard.paths.iter().take(MAX_TOLD).map(ToString::to_string).collect();
    let more = if guard.paths.len() > MAX_TOLD { ", ..." } else { "" };
    Warning {
        place: guard.place.clone(),
        kind: WarningKind::PathsBesidePrograms,
        key: format!("rule {}", guard.id),
        message: format!(
            "it denies {}{more} to file tools, to redirections and to what rules say that their \
             programs open; of some programs no rule says that, and they use whatever their cell \
             shows",
            told.join(", ")
        ),
        help: "keep what nobody may read out of the workspace and of what the profile shows, or \
               say in `args` what the program opens: { beneath = \"/\", mode = \"read\" }"
            .to_owned(),
        other: Some((format!("`{told_program}` is one of them"), other.place.clone())),
    }
}

/// The names that a pattern lists; none of one that takes others, too.
fn names(which: &Which) -> Vec<&str> {
    match which {
        Which::Names(names) => names.iter().map(String::as_str).collect(),
        Which::Any | Which::Path(_) | Which::Under(_) => Vec::new(),
    }
}

/// Whether a program may be given words that the rule does not list, and the rule
/// says of none what it opens.
fn is_open(pattern: &ProgramPattern) -> bool {
    !pattern.opens()
        && pattern.arguments.as_ref().is_none_or(|arguments| arguments.0.iter().any(takes_any))
}

fn takes_any(element: &Element) -> bool {
    let is_listed = |value: &Value| match value {
        Value::OneOf(_) | Value::Number { .. } => true,
        Value::Text(text) => text.is_exact(),
        Value::Any | Value::AnyOf(_) | Value::NoneOf(_) | Value::Beneath(..) => false,
    };
    match element {
        Element::One(value) | Element::Rest(value) | Element::Flag { value, .. } => {
            !is_listed(value)
        }
        Element::Optional(inner) => takes_any(inner),
    }
}
