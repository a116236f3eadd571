//! What is wrong with rule files: where, what, and what to do.
//!
//! A message has the form «what is wrong; what to do»; [`advice`] takes it apart
//! and fills in what parsers leave out.

mod advice;
mod excerpt;
mod similar;

use std::fmt::{self, Write as _};
use std::ops::Range;

use advice::Advice;
pub use excerpt::{Excerpt, Place};
pub(crate) use excerpt::{append as append_place, escaped};
pub(super) use similar::choices;

use super::text::Expressions;
use crate::text::shown;

/// The most errors that are reported at once.
const MAX_ERRORS: usize = 50;

/// One thing that is wrong. As one line: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {key}: {message}; {help}")]
pub struct RuleError {
    /// Where.
    pub place: Place,
    /// Where in the file's tables, such as `rule git-read`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// The line of our code that found it, for the test that wants to see each.
    #[cfg(test)]
    pub(super) origin: &'static std::panic::Location<'static>,
}

/// All that is wrong with rule files; never empty. No rule is taken then.
///
/// Shown with the lines and a caret under each place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RuleErrors {
    /// In the order in which they were found; at most 50.
    pub errors: Vec<RuleError>,
    /// How many more there are.
    pub omitted: usize,
}

impl RuleError {
    /// Several lines: the message, the line of the file with a caret under the
    /// place, and what to do. ASCII only, and ends with a line end.
    #[must_use]
    pub fn render(&self) -> String {
        let Self { place, key, message, help, .. } = self;
        let mut out = format!("error: {key}: {message}\n");
        excerpt::append(&mut out, place);
        let _ = writeln!(out, "{} = help: {help}", " ".repeat(place.line.to_string().len()));
        out
    }
}

impl fmt::Display for RuleErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, error) in self.errors.iter().enumerate() {
            write!(out, "{}{}", if count == 0 { "" } else { "\n" }, error.render())?;
        }
        match self.omitted {
            0 => Ok(()),
            more => writeln!(out, "\nand {more} more errors"),
        }
    }
}

/// Collects errors, each with its place.
#[derive(Debug, Default)]
pub(super) struct Report {
    errors: Vec<RuleError>,
    omitted: usize,
    /// What was compiled so far, of all files: its number is bounded.
    pub(super) expressions: Expressions,
}

/// A file as errors point into it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    /// Where each line but the first starts.
    pub(super) lines: &'a [usize],
}

/// Where each line of `text` but the first starts.
pub(super) fn line_starts(text: &str) -> Vec<usize> {
    text.match_indices('\n').map(|(at, _)| at + 1).collect()
}

impl Report {
    /// Notes one error; `message` has the form «what is wrong; what to do».
    #[track_caller]
    pub(super) fn add(
        &mut self,
        source: Source<'_>,
        span: Range<usize>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.note(source, span, &key.into(), advice::split(&message.into()));
    }

    /// Notes one error in the words of a parser, which say what is wrong only.
    #[track_caller]
    pub(super) fn add_parsed(
        &mut self,
        source: Source<'_>,
        span: Range<usize>,
        key: impl Into<String>,
        message: &str,
    ) {
        self.note(source, span, &key.into(), advice::advise(message));
    }

    #[track_caller]
    fn note(&mut self, source: Source<'_>, span: Range<usize>, key: &str, advice: Advice) {
        if self.errors.len() == MAX_ERRORS {
            self.omitted += 1;
            return;
        }
        let Advice { problem, help } = advice;
        self.errors.push(RuleError {
            place: source.at(span),
            key: escaped(&shown(key.as_bytes())),
            message: problem,
            help,
            #[cfg(test)]
            origin: std::panic::Location::caller(),
        });
    }

    /// What was collected, where there is something.
    pub(super) fn finish(self) -> Result<(), RuleErrors> {
        let Self { errors, omitted, expressions: _ } = self;
        if errors.is_empty() { Ok(()) } else { Err(RuleErrors { errors, omitted }) }
    }
}

impl Source<'_> {
    /// `file:line:column` of a byte.
    pub(super) fn place(&self, byte: usize) -> String {
        self.at(byte..byte).to_string()
    }

    /// The place of a span, with its line.
    pub(super) fn at(&self, span: Range<usize>) -> Place {
        let byte = self.text.floor_char_boundary(span.start);
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = if line == 0 { 0 } else { self.lines[line - 1] };
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        let text = &self.text[start..end];
        Place {
            file: self.file.to_owned(),
            line: line + 1,
            column: text[..byte - start].chars().count() + 1,
            excerpt: Excerpt::new(text, byte - start, span.len()),
        }
    }
}

#[cfg(test)]
mod golden;
