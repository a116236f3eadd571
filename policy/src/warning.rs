//! What is right in rule files and still not what somebody meant: rules that
//! never permit anything, that say the same and give different things, that ask and
//! do not say for what, sets and roles that nothing uses, grants of programs that
//! can run any other program, and paths that are denied beside programs that use them.
//!
//! Rules are taken with all of these; `cofferdam policy check` tells them.
//! Invariant: a warning that a rule is in vain is only given where it surely is.

mod ask;
mod clash;
mod cover;
mod reach;
mod runner;
mod vain;

pub use runner::runs_anything;

use std::fmt::{self, Write as _};

use jiff::Timestamp;

use crate::rules::{Place, RuleSet, append_place, escaped};
use crate::text::shown;

/// Something that may not be meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// Of which kind.
    pub kind: WarningKind,
    /// The rule or set, such as `rule git-read`.
    pub key: String,
    /// What is odd.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Another place that has to do with it, and what is there.
    pub other: Option<(String, Place)>,
}

/// Kinds of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WarningKind {
    /// The rule never permits anything, because others refuse it all.
    Unreachable,
    /// Two rules permit the same and give different things.
    Contradictory,
    /// The rule is not valid any more.
    Expired,
    /// Nothing uses the set.
    UnusedSet,
    /// Nothing refers to the role.
    UnusedRole,
    /// The rule asks, and says nothing of what is given once people agree.
    AskWithoutGrant,
    /// The rule permits a program that can run any other.
    RunsAnything,
    /// The rule denies paths, and programs are permitted that can use them.
    PathsBesidePrograms,
}

impl fmt::Display for WarningKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::Contradictory => "contradictory",
            Self::Expired => "expired",
            Self::UnusedSet => "unused-set",
            Self::UnusedRole => "unused-role",
            Self::AskWithoutGrant => "ask-without-grant",
            Self::RunsAnything => "runs-anything",
            Self::PathsBesidePrograms => "paths-beside-programs",
        })
    }
}

impl Warning {
    /// Several lines: what is odd, the line of the file with a caret under the
    /// place, and what to do. ASCII only, and ends with a line end.
    #[must_use]
    pub fn render(&self) -> String {
        let Self { place, kind, key, message, help, other } = self;
        // Names of sets and programs may hold anything.
        let [key, message, help] = [key, message, help].map(|text| escaped(text));
        let mut out = format!("warning[{kind}]: {key}: {message}\n");
        append_place(&mut out, place);
        if let Some((what, place)) = other {
            let _ = writeln!(out, "note: {}", escaped(what));
            append_place(&mut out, place);
        }
        let _ = writeln!(out, "{} = help: {help}", " ".repeat(place.line.to_string().len()));
        out
    }
}

impl RuleSet {
    /// Everything that may not be meant, in the order of the places. `now` tells
    /// which rules are not valid any more.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let mut all = vain::find(self);
        all.extend(ask::find(self));
        all.extend(clash::find(&self.rules));
        all.extend(runner::find(&self.rules));
        all.extend(reach::find(&self.rules));
        all.extend(self.rules.iter().filter_map(|rule| {
            let until = rule.conditions.valid.until.filter(|until| *until <= now)?;
            Some(Warning {
                place: rule.place.clone(),
                kind: WarningKind::Expired,
                key: format!("rule {}", rule.id),
                message: format!("it was valid until {until:.0}"),
                help: "take the rule out, or give it another time".to_owned(),
                other: None,
            })
        }));
        all.extend(self.unused_sets.iter().map(|(name, place)| Warning {
            place: place.clone(),
            kind: WarningKind::UnusedSet,
            key: format!("sets.{}", shown(name.as_bytes())),
            message: "nothing uses it".to_owned(),
            help: "write its name with an @ where it is meant, or take it out".to_owned(),
            other: None,
        }));
        all.extend(self.unused_roles.iter().map(|(name, place)| Warning {
            place: place.clone(),
            kind: WarningKind::UnusedRole,
            key: format!("roles.{}", shown(name.as_bytes())),
            message: "no rule and no other role refers to it".to_owned(),
            help: "name it in `roles` of `subjects` where it is meant, or take it out".to_owned(),
            other: None,
        }));
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests;
