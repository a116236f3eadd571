//! Head and tail of an output that may be too long to show.
//!
//! Models are shown results through clients that cut at 10 to 50 KB, and some at
//! 2,000 lines, mostly at the end, where a build's error stands. So the gateway cuts
//! first: it keeps the beginning and the end within a budget, says how much it left
//! out, and never holds more than the budget in memory, however much a run prints.
//!
//! The budget counts what a character costs in JSON, so that binary output does
//! not grow to six times its size on the way to the client, and short lines as longer
//! ones ([`LEAST_LINE`]), so that there are not too many of them.

use std::collections::VecDeque;

/// What a line costs at least: of the usual budget, 24 KiB, there come 1,755 lines,
/// and what else an answer tells stays below 2,000.
pub(crate) const LEAST_LINE: usize = 14;

/// Takes an output piece by piece and keeps its ends.
#[derive(Debug)]
pub(crate) struct Collector {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    total: u64,
}

/// What of an output is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Excerpt {
    /// Head, a line that says what is missing, tail; or all of it.
    pub(crate) text: String,
    /// Bytes of the whole output.
    pub(crate) bytes: u64,
    /// Bytes that are not shown.
    pub(crate) omitted: u64,
    /// Some bytes were not UTF-8 and are shown as U+FFFD.
    pub(crate) lossy: bool,
}

/// One shown character and the bytes that it stands for.
#[derive(Debug, Clone, Copy)]
struct Shown {
    character: char,
    bytes: usize,
    valid: bool,
}

impl Collector {
    /// Keeps enough for an excerpt of `budget`.
    pub(crate) fn new(budget: usize) -> Self {
        // A character more than is shown, so that none is cut in the middle.
        let limit = budget / 2 + char::MAX.len_utf8();
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            head_limit: limit,
            tail_limit: limit,
            total: 0,
        }
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.head_limit.saturating_sub(self.head.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        self.head.extend_from_slice(head);
        let last = &rest[rest.len().saturating_sub(self.tail_limit)..];
        self.tail.extend(last);
        let excess = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..excess);
    }

    /// Counts bytes that were produced and never arrived.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.total += bytes;
        // What comes later follows neither the head nor the tail.
        self.head_limit = self.head.len();
        self.tail.clear();
    }

    /// Bytes taken so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The last line so far that is not empty, cut at `limit` characters.
    pub(crate) fn last_line(&self, limit: usize) -> Option<String> {
        let end: Vec<u8> = if self.tail.is_empty() {
            self.head.clone()
        } else {
            self.tail.iter().copied().collect()
        };
        let text = String::from_utf8_lossy(&end);
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.chars().filter(|c| !c.is_control()).take(limit).collect())
    }

    /// What showing all of it would cost; more than any budget if not all was
    /// kept.
    fn cost(&self) -> usize {
        if !self.is_whole() {
            return usize::MAX;
        }
        let mut meter = Meter::default();
        shown(&self.kept()).map(|shown| meter.cost(shown)).sum()
    }

    fn is_whole(&self) -> bool {
        (self.head.len() + self.tail.len()) as u64 == self.total
    }

    fn kept(&self) -> Vec<u8> {
        self.head.iter().chain(&self.tail).copied().collect()
    }

    /// Makes the excerpt.
    fn excerpt(&self, budget: usize) -> Excerpt {
        if self.cost() <= budget {
            return Excerpt::new(shown(&self.kept()), None, self.total);
        }
        let whole = self.is_whole().then(|| self.kept());
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let head: Vec<Shown> = within(shown(whole.as_ref().unwrap_or(&self.head)), budget / 2);
        let last: Vec<Shown> = shown(whole.as_ref().unwrap_or(&tail)).collect();
        let mut last = within(last.into_iter().rev(), budget / 2);
        last.reverse();
        Excerpt::new(head, Some(last), self.total)
    }
}

/// Shares one budget between the two streams of a run: what one does not need,
/// the other gets; if both want more, stderr gets a third.
pub(crate) fn excerpts(stdout: &Collector, stderr: &Collector, budget: usize) -> [Excerpt; 2] {
    let (out, err) = (stdout.cost(), stderr.cost());
    let for_err = err.min((budget / 3).max(budget.saturating_sub(out)));
    let for_out = out.min(budget - for_err);
    [stdout.excerpt(for_out), stderr.excerpt(for_err)]
}

impl Excerpt {
    fn new(head: impl IntoIterator<Item = Shown>, tail: Option<Vec<Shown>>, bytes: u64) -> Self {
        let mut excerpt = Self { bytes, ..Self::default() };
        let mut kept = excerpt.add(head);
        if let Some(tail) = tail {
            let of_tail: usize = tail.iter().map(|shown| shown.bytes).sum();
            excerpt.omitted = bytes.saturating_sub((kept + of_tail) as u64);
            let left_out = format!("\n[… {} bytes left out …]\n", excerpt.omitted);
            excerpt.text.push_str(&left_out);
            kept += excerpt.add(tail);
        }
        excerpt.omitted = bytes.saturating_sub(kept as u64);
        excerpt
    }

    fn add(&mut self, characters: impl IntoIterator<Item = Shown>) -> usize {
        let mut bytes = 0;
        for shown in characters {
            self.text.push(shown.character);
            self.lossy |= !shown.valid;
            bytes += shown.bytes;
        }
        bytes
    }
}

impl Shown {
    /// Bytes of the character in a JSON string.
    fn cost(self) -> usize {
        match self.character {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            character if character.is_ascii_control() => 6,
            character => character.len_utf8(),
        }
    }
}

fn shown(bytes: &[u8]) -> impl Iterator<Item = Shown> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|character| Shown {
            character,
            bytes: character.len_utf8(),
            valid: true,
        });
        let invalid = (!chunk.invalid().is_empty()).then_some(Shown {
            character: char::REPLACEMENT_CHARACTER,
            bytes: chunk.invalid().len(),
            valid: false,
        });
        valid.chain(invalid)
    })
}

/// Counts what characters cost, one after the other in either direction.
#[derive(Debug, Default)]
struct Meter {
    /// Of the line that they are in.
    line: usize,
}

impl Meter {
    fn cost(&mut self, shown: Shown) -> usize {
        let cost = shown.cost();
        if shown.character != '\n' {
            self.line += cost;
            return cost;
        }
        let line = std::mem::take(&mut self.line);
        cost.max(LEAST_LINE.saturating_sub(line))
    }
}

fn within(characters: impl Iterator<Item = Shown>, budget: usize) -> Vec<Shown> {
    let (mut meter, mut cost) = (Meter::default(), 0);
    characters
        .take_while(|shown| {
            cost += meter.cost(*shown);
            cost <= budget
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(pieces: &[&[u8]], budget: usize) -> Collector {
        let mut collector = Collector::new(budget);
        for piece in pieces {
            collector.push(piece);
        }
        collector
    }

    #[test]
    fn what_fits_is_shown_as_it_is() {
        let excerpt = collected(&[b"one\n", b"two\n"], 100).excerpt(100);
        assert_eq!(excerpt.text, "one\ntwo\n");
        assert_eq!((excerpt.bytes, excerpt.omitted, excerpt.lossy), (8, 0, false));
    }

    #[test]
    fn what_does_not_fit_keeps_head_and_tail_and_says_how_much_is_missing() {
        let long =
            (0..10_000).fold(String::new(), |text, n| text + "line " + &n.to_string() + "\n");
        let pieces: Vec<&[u8]> = long.as_bytes().chunks(777).collect();
        let excerpt = collected(&pieces, 1000).excerpt(1000);
        assert!(excerpt.text.starts_with("line 0\nline 1\n"));
        assert!(excerpt.text.ends_with("line 9999\n"));
        assert!(excerpt.text.contains(&format!("[… {} bytes left out …]", excerpt.omitted)));
        assert_eq!(excerpt.bytes, long.len() as u64);
        assert!(serde_json::to_string(&excerpt.text).unwrap().len() < 1100);
    }

    #[test]
    fn short_lines_are_fewer_than_clients_cut_at() {
        for line in ["\n", "x\n", "line 12345\n"] {
            let excerpt = collected(&[line.repeat(100_000).as_bytes()], 24 << 10).excerpt(24 << 10);
            let lines = excerpt.text.lines().count();
            assert!((1700..1800).contains(&lines), "{lines}");
        }
        let long = "a line of some forty characters in all..\n".repeat(100_000);
        let excerpt = collected(&[long.as_bytes()], 24 << 10).excerpt(24 << 10);
        assert!(excerpt.text.len() > 23 << 10);
    }

    #[test]
    fn memory_stays_within_the_budget_however_much_is_printed() {
        let collector = collected(&vec![&[b'x'; 4096][..]; 1000], 1000);
        assert!(collector.head.len() + collector.tail.len() < 1100);
        assert_eq!(collector.total(), 4_096_000);
    }

    #[test]
    fn invalid_utf8_is_shown_lossily_and_flagged() {
        let excerpt = collected(&[b"a\xffb"], 100).excerpt(100);
        assert_eq!((excerpt.text.as_str(), excerpt.lossy), ("a\u{fffd}b", true));
    }

    #[test]
    fn a_character_that_arrives_in_two_pieces_is_whole() {
        let euro = "€".as_bytes();
        let excerpt = collected(&[&euro[..1], &euro[1..]], 100).excerpt(100);
        assert_eq!((excerpt.text.as_str(), excerpt.lossy), ("€", false));
    }

    #[test]
    fn binary_output_does_not_outgrow_the_budget_in_json() {
        let excerpt = collected(&[&vec![0_u8; 100_000]], 6000).excerpt(6000);
        let json = serde_json::to_string(&excerpt.text).unwrap();
        assert!(json.len() < 6100, "{}", json.len());
        assert_eq!(excerpt.omitted, 100_000 - 1000);
    }

    #[test]
    fn a_quiet_stream_leaves_its_budget_to_the_other() {
        let stdout = collected(&[&[b'o'; 900]], 1000);
        let stderr = collected(&[b"warning"], 1000);
        let [out, err] = excerpts(&stdout, &stderr, 1000);
        assert_eq!((out.omitted, err.omitted), (0, 0));
        let stderr = collected(&[&[b'e'; 5000]], 1000);
        let [out, err] = excerpts(&stdout, &stderr, 1000);
        assert!(out.omitted > 0 && err.text.len() > 300 && out.text.len() > 600);
    }

    #[test]
    fn the_last_line_is_what_progress_shows() {
        let collector = collected(&[b"Compiling a\n  Compiling b \x1b[0m\n\n"], 100);
        assert_eq!(collector.last_line(100).as_deref(), Some("Compiling b [0m"));
        assert_eq!(collected(&[b"\n"], 100).last_line(100), None);
    }
}
