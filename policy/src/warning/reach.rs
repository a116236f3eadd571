//! Deny rules on paths beside rules that permit programs.
//!
//! A rule on paths is about what a call itself opens: file tools and redirections.
//! What a program reads it does not see, nor could it: `cat` names a file, `make`
//! names none. So such a rule reads as if it kept a secret, and does not.

use super::{Warning, WarningKind};
use crate::decision::Effect;
use crate::rules::argument::{Element, Value};
use crate::rules::program::ProgramPattern;
use crate::rules::rule::Rule;

/// The most paths that are told.
const MAX_TOLD: usize = 4;

pub(super) fn find(rules: &[Rule]) -> Vec<Warning> {
    let open = |rule: &&Rule| rule.is_positive() && rule.programs.iter().any(is_open);
    // One is enough to say what is meant.
    let Some(other) = rules.iter().find(open) else { return Vec::new() };
    let guards = rules.iter().filter(|rule| rule.effect == Effect::Deny && !rule.paths.is_empty());
    guards.map(|guard| warning(guard, other)).collect()
}

fn warning(guard: &Rule, other: &Rule) -> Warning {
    let told: Vec<_> = guard.paths.iter().take(MAX_TOLD).map(ToString::to_string).collect();
    let more = if guard.paths.len() > MAX_TOLD { ", ..." } else { "" };
    Warning {
        place: guard.place.clone(),
        kind: WarningKind::PathsBesidePrograms,
        key: format!("rule {}", guard.id),
        message: format!(
            "it denies {}{more} to file tools and redirections only: programs that other rules \
             permit use whatever their cell shows, and rules on paths never look at arguments",
            told.join(", ")
        ),
        help:
            "keep what nobody may read out of the workspace and of what the profile shows; a rule \
               on a program sees the paths that its `args` name, and no others"
                .to_owned(),
        other: Some(("programs are permitted here".to_owned(), other.place.clone())),
    }
}

/// Whether a program may be given words that the rule does not list.
fn is_open(pattern: &ProgramPattern) -> bool {
    pattern.arguments.as_ref().is_none_or(|arguments| arguments.0.iter().any(takes_any))
}

fn takes_any(element: &Element) -> bool {
    let is_listed = |value: &Value| match value {
        Value::OneOf(_) | Value::Number { .. } => true,
        Value::Text(text) => text.is_exact(),
        Value::Any | Value::AnyOf(_) | Value::NoneOf(_) | Value::Beneath(_) => false,
    };
    match element {
        Element::One(value) | Element::Rest(value) | Element::Flag { value, .. } => {
            !is_listed(value)
        }
        Element::Optional(inner) => takes_any(inner),
    }
}
