//! The table of a command line: one row for each command and redirection that was
//! seen in it, with what the rules say to it.
//!
//! Made from a decision, whatever it was, for people and for JSON. The rows follow
//! the script, as the decision's own table does.

use std::fmt;

use serde::Serialize;

use super::{Redirection, Script, SimpleCommand, Word};
use crate::action::{Action, Execute};
use crate::decision::{Decision, Finding, Verdict};
use crate::text::shown;

/// The most rows that are made; the others are counted.
const MAX_ROWS: usize = 64;
/// The most arguments of a row.
const MAX_ARGUMENTS: usize = 32;

/// What was seen in a command line, and what the rules say to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// In the order of the text.
    pub rows: Vec<Row>,
    /// How many rows were left out.
    pub more: usize,
    /// Why there may be other commands; empty: there are none.
    pub opaque: Vec<String>,
}

/// One command or redirection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The program, `<` or `>` for a redirection, or `the line as a whole`.
    pub program: String,
    /// Its arguments, or the redirection's file; `<unknown>` where one depends on
    /// the run.
    pub arguments: Vec<String>,
    /// The rules that decided; none where no rule did.
    pub rules: Vec<String>,
    /// What they say.
    pub decision: Judgement,
}

/// What the rules say to one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// Rules permit it.
    Permitted,
    /// A part of the shell that runs nothing and reaches nothing.
    Harmless,
    /// Nothing denies it; the line as a whole is what needs a rule, as not all of
    /// it can be seen.
    PartOfOpaque,
    /// A rule denies it, or may.
    Denied,
    /// No rule permits it.
    NotPermitted,
    /// The call was refused before its rows were looked at.
    NotJudged,
}

impl Decision {
    /// The table of a command line; `None`: the call is none.
    #[must_use]
    pub fn command_table(&self) -> Option<Table> {
        let (call, verdicts) = match self {
            Self::Permit(permit) => (permit.call(), permit.table()),
            Self::Ask(pending) => (&pending.basis().call, pending.basis().table.as_slice()),
            Self::Deny(denial) => (&denial.call, denial.table.as_slice()),
        };
        match &call.action {
            Action::Execute(Execute { script: Some(script), .. }) => {
                Some(Table::new(script, verdicts))
            }
            _ => None,
        }
    }
}

impl Table {
    /// The verdicts stand in the order of the script, behind the one on what is
    /// opaque, before the one on the shell alone.
    fn new(script: &Script, verdicts: &[Verdict]) -> Self {
        let opaque = script.is_opaque();
        let (whole, verdicts) = if opaque {
            (verdicts.first(), verdicts.get(1..).unwrap_or_default())
        } else {
            (None, verdicts)
        };
        let commands = script.commands.iter().map(Row::of_command);
        let redirections = script.redirections.iter().map(Row::of_redirection);
        let all = script.commands.len() + script.redirections.len();
        let whole = whole.or(verdicts.get(all)).map(|verdict| Row::of_line().judged(verdict));
        let seen = commands.chain(redirections).take(MAX_ROWS).enumerate().map(|(at, row)| {
            let Some(verdict) = verdicts.get(at) else { return row };
            let harmless = script.commands.get(at).is_none_or(|command| command.harmless);
            let mut row = row.judged(verdict);
            if opaque && !harmless && row.decision == Judgement::Harmless {
                row.decision = Judgement::PartOfOpaque;
            }
            row
        });
        let rows = whole.into_iter().chain(seen).collect();
        Self { more: all.saturating_sub(MAX_ROWS), rows, opaque: script.opaque.clone() }
    }
}

/// One line a row, in columns.
impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<[String; 2]> = self.rows.iter().map(Row::columns).collect();
        let width = lines.iter().map(|[what, _]| what.chars().count()).max().unwrap_or_default();
        for [what, decision] in &lines {
            writeln!(out, "  {what:width$}  {decision}")?;
        }
        if self.more > 0 {
            writeln!(out, "  and {} more", self.more)?;
        }
        for why in &self.opaque {
            writeln!(out, "  not seen through: {why}")?;
        }
        Ok(())
    }
}

impl Row {
    /// The shell itself, where some rule has to permit that it runs at all.
    fn of_line() -> Self {
        Self::new("the line as a whole".to_owned(), Vec::new())
    }

    fn of_command(command: &SimpleCommand) -> Self {
        let arguments = command.arguments.iter().take(MAX_ARGUMENTS).map(Word::to_string);
        let mut arguments: Vec<String> = arguments.collect();
        if command.arguments.len() > MAX_ARGUMENTS {
            arguments.push("…".to_owned());
        }
        Self::new(shown(&command.program), arguments)
    }

    fn of_redirection(redirection: &Redirection) -> Self {
        let direction = if redirection.writes { ">" } else { "<" };
        Self::new(direction.to_owned(), vec![shown(&redirection.path)])
    }

    fn new(program: String, arguments: Vec<String>) -> Self {
        Self { program, arguments, rules: Vec::new(), decision: Judgement::NotJudged }
    }

    fn judged(mut self, verdict: &Verdict) -> Self {
        (self.decision, self.rules) = match &verdict.finding {
            Finding::Permitted(rules) => (Judgement::Permitted, rules.clone()),
            Finding::Harmless => (Judgement::Harmless, Vec::new()),
            Finding::Denied(rule) => (Judgement::Denied, vec![rule.clone()]),
            Finding::NotPermitted => (Judgement::NotPermitted, Vec::new()),
        };
        self
    }

    fn columns(&self) -> [String; 2] {
        /// The most characters of the first column.
        const WIDEST: usize = 60;
        let mut what = self.program.clone();
        for argument in &self.arguments {
            what.push(' ');
            what.push_str(argument);
        }
        if what.chars().count() > WIDEST {
            what = what.chars().take(WIDEST - 1).chain(['…']).collect();
        }
        let rules = self.rules.join("`, `");
        let decision = match self.decision {
            Judgement::Permitted => format!("permitted by `{rules}`"),
            Judgement::Harmless => "harmless".to_owned(),
            Judgement::PartOfOpaque => "no rule denies it".to_owned(),
            Judgement::Denied => format!("denied by `{rules}`"),
            Judgement::NotPermitted => "no rule permits it".to_owned(),
            Judgement::NotJudged => "not judged".to_owned(),
        };
        [what, decision]
    }
}

#[cfg(test)]
mod tests;
