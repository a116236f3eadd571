//! Decisions in plain words: one line for logs and models, and a long form for
//! people who want to know why.

use std::fmt::Write as _;

use crate::decision::{Ask, Decision, Denial, Finding, Reason, Verdict};

/// The most rows of a table that an explanation repeats.
const MAX_ROWS: usize = 40;

impl Decision {
    /// One line.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Permit(permit) => format!(
                "permitted by {}: {} ({})",
                names(permit.rules()),
                permit.call().action,
                permit.grant()
            ),
            Self::Ask(pending) => format!(
                "{} wants a human to agree first: {}",
                names(&pending.basis().rules),
                pending.basis().call.action
            ),
            Self::Deny(denial) => denial.line(),
        }
    }

    /// The whole story, several lines.
    #[must_use]
    pub fn explain(&self) -> String {
        let (call, table) = match self {
            Self::Permit(permit) => (permit.call(), permit.table()),
            Self::Ask(pending) => (&pending.basis().call, pending.basis().table.as_slice()),
            Self::Deny(denial) => (&denial.call, denial.table.as_slice()),
        };
        let mut out = format!(
            "{} asks on host `{}` in project `{}`: {}\n",
            call.subject, call.host.name, call.project.name, call.action
        );
        match self.command_table() {
            Some(table) => {
                let _ = write!(out, "{table}");
            }
            None => append_table(&mut out, table),
        }
        match self {
            Self::Permit(permit) => {
                let _ = writeln!(out, "permitted by {}", names(permit.rules()));
                let _ = writeln!(out, "with {}", permit.grant());
            }
            Self::Ask(pending) => {
                let _ = writeln!(out, "a human must agree: {}", names(&pending.basis().rules));
                for Ask { reason, demand } in pending.asks() {
                    let _ = writeln!(out, "  {reason}: {demand}");
                }
                let _ = writeln!(out, "then with {}", pending.basis().grant);
            }
            Self::Deny(denial) => {
                for reason in &denial.reasons {
                    let _ = writeln!(out, "denied: {}", reason.line());
                }
                append_nearby(&mut out, denial);
            }
        }
        out
    }
}

impl Denial {
    /// One line: what was refused, why, and what would be allowed.
    #[must_use]
    pub fn line(&self) -> String {
        let reasons: Vec<String> = self.reasons.iter().take(4).map(Reason::line).collect();
        let mut out = format!("denied: {}", reasons.join("; "));
        if !self.nearby.programs.is_empty() {
            let _ = write!(out, ". Allowed programs: {}", self.nearby.programs.join(", "));
        }
        if !self.nearby.paths.is_empty() {
            let _ = write!(out, ". Allowed paths: {}", self.nearby.paths.join(", "));
        }
        if !self.nearby.services.is_empty() {
            let _ = write!(out, ". Allowed units: {}", self.nearby.services.join(", "));
        }
        out
    }
}

impl Reason {
    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Rule { rule, reason, part, uncertain } => {
                let mut out = format!("rule `{rule}` refuses to {part}");
                if let Some(reason) = reason {
                    let _ = write!(out, " ({reason})");
                }
                if let Some(uncertain) = uncertain {
                    let _ = write!(out, "; it cannot be ruled out, because {uncertain}");
                }
                out
            }
            Self::NotPermitted { part, wanting: None } => format!("no rule permits to {part}"),
            Self::NotPermitted { part, wanting: Some(wanting) } => {
                format!("no rule permits to {part}: {wanting}")
            }
            Self::Unclear { part, why } => format!("cannot {part}: {why}"),
            Self::Disjoint { rules, why } => {
                format!("{} permit it, but not together: {why}", names(rules))
            }
        }
    }
}

fn names(rules: &[String]) -> String {
    match rules {
        [] => "no rule".to_owned(),
        [one] => format!("rule `{one}`"),
        several => format!("rules `{}`", several.join("`, `")),
    }
}

fn append_table(out: &mut String, table: &[Verdict]) {
    for Verdict { part, finding } in table.iter().take(MAX_ROWS) {
        let finding = match finding {
            Finding::Permitted(rules) => names(rules),
            Finding::Harmless => "harmless".to_owned(),
            Finding::Denied(rule) => format!("denied by rule `{rule}`"),
            Finding::NotPermitted => "no rule".to_owned(),
        };
        let _ = writeln!(out, "  {part}: {finding}");
    }
    if let Some(more) = table.len().checked_sub(MAX_ROWS).filter(|more| *more > 0) {
        let _ = writeln!(out, "  and {more} more");
    }
}

fn append_nearby(out: &mut String, denial: &Denial) {
    for program in &denial.nearby.programs {
        let _ = writeln!(out, "allowed: {program}");
    }
    for path in denial.nearby.paths.iter().chain(&denial.nearby.services) {
        let _ = writeln!(out, "allowed: {path}");
    }
}
