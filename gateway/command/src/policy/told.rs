//! A decision as the reports of `cofferdam policy` tell it.

use std::io::{self, Write};

use cofferdam_policy::Decision;
use serde::Serialize;

/// What was decided, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    /// `allow`, `ask` or `deny`.
    pub(super) effect: String,
    /// The rules that took part; none: no rule permits it.
    pub(super) rules: Vec<String>,
    /// Why not, in one line; empty where it is allowed, or not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
}

impl Told {
    /// Of a decision.
    pub(super) fn of(decision: &Decision) -> Self {
        let reason = match decision {
            Decision::Permit(_) => String::new(),
            Decision::Ask(pending) => {
                pending.asks().iter().map(|ask| &*ask.reason).collect::<Vec<_>>().join("; ")
            }
            Decision::Deny(denial) => {
                denial.reasons.first().map(cofferdam_policy::Reason::line).unwrap_or_default()
            }
        };
        Self { effect: decision.effect().to_string(), rules: decision.involved(), reason }
    }

    /// ``allow by `git-read` ``.
    pub(super) fn in_words(&self) -> String {
        format!("{} by {}", self.effect, rules_in_words(&self.rules))
    }
}

/// Rules by their ids; the default where there is none.
pub(super) fn rules_in_words(rules: &[String]) -> String {
    match rules {
        [] => "default: no rule permits it".to_owned(),
        rules => format!("`{}`", rules.join("`, `")),
    }
}

/// Before and after, on a line of its own, with the reason of the latter.
pub(super) fn write_change(out: &mut dyn Write, before: &Told, after: &Told) -> io::Result<()> {
    writeln!(out, "  {}  ->  {}", before.in_words(), after.in_words())?;
    if after.reason.is_empty() { Ok(()) } else { writeln!(out, "  now: {}", after.reason) }
}
