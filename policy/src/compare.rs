//! Two rule sets beside each other: which rules differ in meaning, and what a
//! difference of two decisions is.
//!
//! Meaning: sets and roles are put in, and the order of lists that are
//! alternatives does not count. `cofferdam policy diff`, `replay` and `shadow`
//! call this, and so does a gateway that has shadow rules.

mod facets;

use std::collections::{BTreeMap, BTreeSet};

use crate::decision::{Decision, Effect};
use crate::grant::Grant;
use crate::rules::RuleSet;

/// How a rule changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChange {
    /// Its id.
    pub id: String,
    /// What became of it.
    pub kind: ChangeKind,
    /// Of one that changed: what, in the order of the names.
    pub facets: Vec<FacetChange>,
}

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// There was none of this id.
    Added(Effect),
    /// There is none any more.
    Removed(Effect),
    /// It says something else.
    Changed,
}

/// How one property of a rule changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetChange {
    /// The property, as rule files name it.
    pub name: String,
    /// What it had and has no more, in words.
    pub removed: Vec<String>,
    /// What it has now, in words.
    pub added: Vec<String>,
}

/// How a decision differs from another one of the same call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// More may be done than before.
    Wider,
    /// Less may be done than before.
    Narrower,
    /// As much may be done, with another grant.
    Grant,
}

impl Difference {
    /// How `after` differs from `before`; `None` where it does not. That other
    /// rules say the same is no difference.
    #[must_use]
    pub fn of(before: &Decision, after: &Decision) -> Option<Self> {
        Self::of_effects(before.effect(), after.effect())
            .or_else(|| (before.grant() != after.grant()).then_some(Self::Grant))
    }

    /// As [`of`](Self::of), where no more than the effects is known.
    #[must_use]
    pub fn of_effects(before: Effect, after: Effect) -> Option<Self> {
        // From wide to narrow: allow, ask, deny.
        match after.cmp(&before) {
            std::cmp::Ordering::Less => Some(Self::Wider),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Self::Narrower),
        }
    }

    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wider => "wider",
            Self::Narrower => "narrower",
            Self::Grant => "grant",
        }
    }
}

impl Decision {
    /// What may be used, where something may be done, now or once people agree.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Permit(permit) => Some(permit.grant()),
            Self::Ask(pending) => Some(&pending.basis().grant),
            Self::Deny(_) => None,
        }
    }
}

impl RuleSet {
    /// What is different about the rules of `new`, in the byte order of the
    /// ids; empty: they mean the same. How profiles are ordered counts as a rule
    /// with the id `(order of profiles)`.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<RuleChange> {
        let (old, new) = (facets::of_all(self), facets::of_all(new));
        let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        ids.into_iter().filter_map(|id| change(id, old.get(id), new.get(id))).collect()
    }
}

/// A property's name, and what it has, in words.
type Facets = BTreeMap<String, BTreeSet<String>>;

/// A rule's effect and what else there is to it.
type Told = (Effect, Facets);

fn change(id: &str, old: Option<&Told>, new: Option<&Told>) -> Option<RuleChange> {
    let (kind, facets) = match (old, new) {
        (None, None) => return None,
        (None, Some((effect, _))) => (ChangeKind::Added(*effect), Vec::new()),
        (Some((effect, _)), None) => (ChangeKind::Removed(*effect), Vec::new()),
        (Some((_, old)), Some((_, new))) if old == new => return None,
        (Some((_, old)), Some((_, new))) => (ChangeKind::Changed, facet_changes(old, new)),
    };
    Some(RuleChange { id: id.to_owned(), kind, facets })
}

fn facet_changes(old: &Facets, new: &Facets) -> Vec<FacetChange> {
    let none = BTreeSet::new();
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = names.into_iter().map(|name| {
        let (old, new) = (old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
        FacetChange {
            name: name.clone(),
            removed: old.difference(new).cloned().collect(),
            added: new.difference(old).cloned().collect(),
        }
    });
    changed.filter(|facet| !facet.removed.is_empty() || !facet.added.is_empty()).collect()
}

#[cfg(test)]
mod tests;
