//! Rules of one scope that permit exactly the same: the smaller id always wins,
//! and what the other gives is never given.

use std::collections::HashMap;

use super::{Warning, WarningKind};
use crate::rules::rule::Rule;

pub(super) fn find(rules: &[Rule]) -> Vec<Warning> {
    let mut known: HashMap<String, &Rule> = HashMap::new();
    let mut all = Vec::new();
    // In the order of the ids: the first one wins.
    for rule in rules {
        let first = *known.entry(what(rule)).or_insert(rule);
        if first.id == rule.id {
            continue;
        }
        let (message, help) = if first.gives == rule.gives || !rule.is_positive() {
            (format!("rule `{}` says the same", first.id), "take one of them out".to_owned())
        } else {
            let message = format!(
                "it permits exactly what rule `{}` permits and gives something else, which is \
                 never given, because of two such rules the smaller id wins",
                first.id
            );
            (message, "take one of them out, or give one more selectors".to_owned())
        };
        all.push(Warning {
            place: rule.place.clone(),
            kind: WarningKind::Contradictory,
            key: format!("rule {}", rule.id),
            message,
            help,
            other: Some((format!("rule `{}` is here", first.id), first.place.clone())),
        });
    }
    all
}

/// All that says when and what a rule permits or denies.
fn what(rule: &Rule) -> String {
    let Rule {
        id: _,
        effect,
        reason: _,
        scope,
        selectors,
        conditions,
        programs,
        opened_by: _,
        paths,
        services,
        shell,
        environment,
        gives: _,
        consent,
        place: _,
    } = rule;
    format!(
        "{effect} {scope} {selectors:?} {conditions:?} {programs:?} {paths:?} {services:?} {shell:?} \
         {environment:?} {consent:?}"
    )
}
