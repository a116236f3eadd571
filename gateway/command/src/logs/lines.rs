//! A stream as lines that a terminal shows and does not obey.

use std::collections::VecDeque;

use cofferdam_gateway::approvals::is_visible;
use cofferdam_gateway::client::plain_line;
use regex::Regex;

/// Bytes of one line; a longer one is shown in pieces.
const LONGEST: usize = 64 * 1024;

/// Makes lines of a stream, and chooses those that are shown.
#[derive(Debug)]
pub(super) struct Lines {
    pattern: Option<Regex>,
    /// How many of the last lines are shown of what was there at first; none: all.
    tail: Option<usize>,
    /// The last lines, until it is known which those are.
    last: VecDeque<Shown>,
    is_beginning: bool,
    pending: Vec<u8>,
    /// Where `pending` begins.
    offset: u64,
}

/// A line that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// Where it begins.
    pub(super) offset: u64,
    /// Without its end.
    pub(super) text: String,
}

impl Lines {
    pub(super) fn new(pattern: Option<Regex>, tail: Option<usize>) -> Self {
        let (last, pending) = (VecDeque::new(), Vec::new());
        Self { pattern, tail, last, is_beginning: true, pending, offset: 0 }
    }

    /// Whether some lines may be left out.
    pub(super) fn is_filtered(&self) -> bool {
        self.pattern.is_some() || self.tail.is_some()
    }

    /// Takes the next bytes, and gives the lines that they end.
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8]) -> Vec<Shown> {
        if self.pending.is_empty() {
            self.offset = offset;
        }
        let mut shown = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(part);
            if part.ends_with(b"\n") || self.pending.len() >= LONGEST {
                shown.extend(self.end_line());
            }
        }
        shown
    }

    /// Ends the line that has not ended: nothing follows it.
    pub(super) fn cut(&mut self) -> Vec<Shown> {
        if self.pending.is_empty() { Vec::new() } else { self.end_line().into_iter().collect() }
    }

    /// From here on every line is shown at once.
    pub(super) fn caught_up(&mut self) -> Vec<Shown> {
        self.is_beginning = false;
        self.last.drain(..).collect()
    }

    fn end_line(&mut self) -> Option<Shown> {
        let bytes = std::mem::take(&mut self.pending);
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        let text = safe(&plain_line(bytes.strip_suffix(b"\n").unwrap_or(&bytes)));
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&text)) {
            return None;
        }
        let line = Shown { offset, text };
        let Some(most) = self.tail.filter(|_| self.is_beginning) else { return Some(line) };
        self.last.push_back(line);
        if self.last.len() > most {
            self.last.pop_front();
        }
        None
    }
}

/// What neither shows nor is a space or a tab is an escape.
fn safe(text: &str) -> String {
    let one = |c: char| match c {
        ' ' | '\t' => c.to_string(),
        c if is_visible(c) => c.to_string(),
        c => c.escape_unicode().to_string(),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(shown: Vec<Shown>) -> Vec<String> {
        shown.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_whole_however_they_come_and_act_on_nothing() {
        let mut lines = Lines::new(None, None);
        assert_eq!(texts(lines.push(5, b"\x1b[31mred\x1b[0m\nun")), ["red"]);
        let rest = lines.push(20, b"ished\x07\r\n50%\r100%\n\xe2\x80\xae\n");
        assert_eq!(rest[0], Shown { offset: 18, text: "unished".into() });
        assert_eq!(texts(rest), ["unished", "100%", "\\u{202e}"]);
        lines.push(40, b"last");
        assert_eq!(texts(lines.cut()), ["last"]);
        assert_eq!(texts(lines.cut()), [""; 0]);
    }

    #[test]
    fn only_matching_lines_are_shown_and_only_the_last_of_those_that_were_there() {
        let mut lines = Lines::new(Some(Regex::new("^e").unwrap()), Some(2));
        assert_eq!(texts(lines.push(0, b"e1\nx\ne2\ne3\n")), [""; 0]);
        assert_eq!(texts(lines.caught_up()), ["e2", "e3"]);
        assert_eq!(texts(lines.push(11, b"y\ne4\n")), ["e4"]);
        let mut none = Lines::new(None, Some(0));
        none.push(0, b"a\nb\n");
        assert_eq!(texts(none.caught_up()), [""; 0]);
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory() {
        let mut lines = Lines::new(None, None);
        let shown = lines.push(0, &vec![b'a'; LONGEST]);
        assert_eq!((shown.len(), lines.pending.len()), (1, 0));
    }
}
