//! What of a stream is shown: its lines, made plain, paged, searched and cut to a
//! budget, with the offsets at which reading goes on.
//!
//! Invariants: memory stays within the budget however much is printed; whatever is
//! left out is counted; who goes on at [`Shown::next`] misses nothing and sees
//! nothing twice.

mod lines;
mod plain;
mod selection;

use regex::Regex;

use lines::{Line, Lines};
use selection::Selection;

/// The text of a line as it stands in a terminal: without escape sequences, and without
/// what was written over.
#[must_use]
pub fn plain_line(bytes: &[u8]) -> String {
    plain::plain(bytes).0
}

/// What of a stream is wanted.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// All that fits, from the first line on; at most so many lines.
    Page(usize),
    /// The last lines, at most so many.
    Tail(usize),
    /// Lines that match, each with so many before and after it.
    Matching(Regex, usize),
    /// The beginning and the end of it.
    Ends,
}

/// Gathers what of one stream is shown.
#[derive(Debug)]
pub(crate) struct Transcript {
    lines: Lines,
    selection: Selection,
    /// What somebody waits for.
    awaited: Option<Regex>,
    matched: Option<String>,
    gaps: Vec<Gap>,
    bytes: u64,
}

/// Bytes that were printed and are not held any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What of a stream is shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) text: String,
    /// Where to go on reading.
    pub(crate) next: u64,
    /// Bytes between where reading began and `next` that are not shown and lie in no
    /// gap.
    pub(crate) left_out: u64,
    pub(crate) gaps: Vec<Gap>,
    /// The line in which what was awaited was found.
    pub(crate) matched: Option<String>,
}

impl Transcript {
    /// Reads from `offset` on, and shows what takes at most `budget` bytes in JSON.
    /// With `raw`, escape sequences stay.
    pub(crate) fn new(
        offset: u64,
        wanted: Wanted,
        awaited: Option<Regex>,
        budget: usize,
        raw: bool,
    ) -> Self {
        Self {
            lines: Lines::new(offset, raw),
            selection: Selection::new(wanted, offset, budget),
            awaited,
            matched: None,
            gaps: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes the next bytes, which begin at `offset`. Those that are known already
    /// are skipped, and those that are missing are a gap.
    pub(crate) fn push(&mut self, offset: u64, data: &[u8]) {
        if self.is_full() {
            return;
        }
        let at = self.lines.end();
        if offset > at {
            self.gap(offset);
        }
        let known = usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
        let Some(new) = data.get(known..) else { return };
        self.bytes += new.len() as u64;
        let Self { lines, selection, awaited, matched, .. } = self;
        lines.push(new, |line| take(line, selection, awaited.as_ref(), matched));
    }

    /// The stream goes on at `end`; what lies before is not held any more.
    pub(crate) fn gap(&mut self, end: u64) {
        let at = self.lines.end();
        if end <= at || self.is_full() {
            return;
        }
        let Self { lines, selection, awaited, matched, .. } = self;
        lines.skip_to(end, |line| take(line, selection, awaited.as_ref(), matched));
        self.selection.skip_to(end);
        self.gaps.push(Gap { offset: at, length: end - at });
    }

    /// Whether nothing more can be shown.
    pub(crate) fn is_full(&self) -> bool {
        self.selection.is_full()
    }

    /// How far it has read.
    pub(crate) fn end(&self) -> u64 {
        self.lines.end()
    }

    /// Bytes that were taken.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether what was awaited has come, in a line that has not ended, too: a prompt
    /// is one.
    pub(crate) fn has_matched(&mut self) -> bool {
        if self.matched.is_none()
            && let Some(awaited) = &self.awaited
        {
            let text = self.lines.unfinished();
            self.matched = awaited.is_match(&text).then_some(text);
        }
        self.matched.is_some()
    }

    /// What is shown; a last line that has not ended as far as it goes.
    pub(crate) fn finish(mut self) -> Shown {
        self.has_matched();
        let Self { lines, mut selection, awaited, mut matched, gaps, .. } = self;
        if !selection.is_full()
            && let Some(last) = lines.finish()
        {
            take(last, &mut selection, awaited.as_ref(), &mut matched);
        }
        let (text, next, left_out) = selection.finish();
        let lost: u64 = gaps.iter().map(|gap| gap.length).sum();
        Shown { text, next, left_out: left_out.saturating_sub(lost), gaps, matched }
    }
}

fn take(
    line: Line,
    selection: &mut Selection,
    awaited: Option<&Regex>,
    matched: &mut Option<String>,
) {
    if matched.is_none() && awaited.is_some_and(|awaited| awaited.is_match(&line.text)) {
        *matched = Some(line.text.clone());
    }
    selection.take(line);
}

#[cfg(test)]
mod tests;
