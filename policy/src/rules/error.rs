//! What is wrong with rule files: file, line, column, key, and what to do.

use std::fmt;
use std::ops::Range;

use crate::text::shown;

/// The most errors that are reported at once.
const MAX_ERRORS: usize = 50;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {key}: {message}")]
pub struct RuleError {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Where in the file's tables, such as `rule git-read`.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// All that is wrong with rule files; never empty. No rule is taken then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RuleErrors {
    /// In the order of the files; at most 50.
    pub errors: Vec<RuleError>,
}

impl fmt::Display for RuleErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, error) in self.errors.iter().enumerate() {
            write!(out, "{}{error}", if count == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Collects errors, each with its place.
#[derive(Debug, Default)]
pub(super) struct Report {
    errors: Vec<RuleError>,
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
    pub(super) fn add(
        &mut self,
        source: Source<'_>,
        span: Range<usize>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        if self.errors.len() == MAX_ERRORS {
            return;
        }
        let (line, column) = source.position(span.start);
        self.errors.push(RuleError {
            file: source.file.to_owned(),
            line,
            column,
            key: shown(key.into().as_bytes()),
            message: message.into(),
        });
    }

    /// What was collected, where there is something.
    pub(super) fn finish(self) -> Result<(), RuleErrors> {
        if self.errors.is_empty() { Ok(()) } else { Err(RuleErrors { errors: self.errors }) }
    }
}

impl Source<'_> {
    /// `file:line:column` of a byte.
    pub(super) fn place(&self, byte: usize) -> String {
        let (line, column) = self.position(byte);
        format!("{}:{line}:{column}", self.file)
    }

    /// Line and column of a byte, from 1.
    fn position(&self, byte: usize) -> (usize, usize) {
        let byte = byte.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = if line == 0 { 0 } else { self.lines[line - 1] };
        let before = self.text.get(start..byte).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }
}
