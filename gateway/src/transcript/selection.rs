//! Which lines are shown, within a budget.

use std::collections::VecDeque;

use regex::Regex;

use super::Wanted;
use super::lines::Line;
use crate::excerpt::LEAST_LINE;

/// The lines that are shown.
#[derive(Debug)]
pub(super) struct Selection {
    wanted: Wanted,
    budget: usize,
    begun: u64,
    /// What is shown from the beginning on.
    pub(super) head: Vec<Line>,
    /// What is shown of the end, or what may come before a match.
    pub(super) tail: VecDeque<Line>,
    used: usize,
    used_by_tail: usize,
    /// Lines after a match that are shown with it.
    after: usize,
    next: u64,
    full: bool,
}

impl Selection {
    pub(super) fn new(wanted: Wanted, offset: u64, budget: usize) -> Self {
        Self {
            wanted,
            budget,
            begun: offset,
            head: Vec::new(),
            tail: VecDeque::new(),
            used: 0,
            used_by_tail: 0,
            after: 0,
            next: offset,
            full: false,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// The stream goes on there.
    pub(super) fn skip_to(&mut self, offset: u64) {
        if !self.full {
            self.next = offset;
        }
    }

    pub(super) fn take(&mut self, line: Line) {
        if self.full {
            return;
        }
        match self.wanted.clone() {
            Wanted::Page(most) => {
                let lines = self.head.iter().filter(|line| line.is_whole).count();
                if lines >= most || !self.show(line) {
                    self.full = true;
                }
            }
            Wanted::Tail(most) => {
                self.next = line.end;
                self.show_last(line, most, self.budget);
            }
            Wanted::Ends => {
                self.next = line.end;
                if self.tail.is_empty() && self.used + cost(&line) <= self.budget / 2 {
                    self.used += cost(&line);
                    self.head.push(line);
                } else {
                    self.show_last(line, usize::MAX, self.budget / 2);
                }
            }
            Wanted::Matching(pattern, around) => self.take_matching(line, &pattern, around),
        }
    }

    fn take_matching(&mut self, line: Line, pattern: &Regex, around: usize) {
        let end = line.end;
        if pattern.is_match(&line.text) {
            let before: Vec<Line> = self.tail.drain(..).collect();
            self.after = around;
            if !before.into_iter().chain([line]).all(|line| self.show(line)) {
                self.full = true;
                return;
            }
        } else if self.after > 0 {
            self.after -= 1;
            if !self.show(line) {
                self.full = true;
                return;
            }
        } else {
            self.tail.push_back(line);
            if self.tail.len() > around {
                self.tail.pop_front();
            }
        }
        self.next = end;
    }

    /// Shows a line if there is room for it.
    fn show(&mut self, line: Line) -> bool {
        let cost = cost(&line);
        // A first line is shown in any case: a piece is never large.
        if self.used + cost > self.budget && !self.head.is_empty() {
            return false;
        }
        self.used += cost;
        self.next = line.end;
        self.head.push(line);
        true
    }

    /// Shows a line in place of what came long before it.
    fn show_last(&mut self, line: Line, most: usize, budget: usize) {
        self.used_by_tail += cost(&line);
        self.tail.push_back(line);
        let whole = |tail: &VecDeque<Line>| {
            let ended = tail.iter().filter(|line| line.is_whole).count();
            ended + usize::from(tail.back().is_some_and(|last| !last.is_whole))
        };
        while self.tail.len() > 1 && (self.used_by_tail > budget || whole(&self.tail) > most) {
            if let Some(first) = self.tail.pop_front() {
                self.used_by_tail -= cost(&first);
            }
        }
    }

    /// The text, where to go on, and how many bytes before that are not in it.
    pub(super) fn finish(self) -> (String, u64, u64) {
        let Self { wanted, begun, head, mut tail, next, .. } = self;
        if matches!(wanted, Wanted::Matching(..)) {
            tail.clear();
        }
        let mut text = String::new();
        let mut shown = 0;
        let mut at = head.first().map_or(begun, |line| line.start);
        for line in head.iter().chain(&tail) {
            if line.start > at && !text.is_empty() {
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                let left_out = format!("[… {} bytes left out …]\n", line.start - at);
                text.push_str(&left_out);
            }
            text += &line.text;
            if line.is_whole {
                text.push('\n');
            }
            at = line.end;
            shown += line.end - line.start;
        }
        (text, next, next.saturating_sub(begun).saturating_sub(shown))
    }
}

/// Bytes of a line in a JSON string; of a short one more, as clients count lines, too.
fn cost(line: &Line) -> usize {
    let one = |character: char| match character {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        character if character.is_ascii_control() => 6,
        character => character.len_utf8(),
    };
    (line.text.chars().map(one).sum::<usize>() + 2).max(LEAST_LINE)
}
