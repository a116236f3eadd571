//! One hunk: where it belongs, and its lines.

/// `start,count` of a hunk's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: usize,
    pub(super) count: usize,
}

/// Which side a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Old,
    New,
}

/// A hunk.
#[derive(Debug)]
pub(super) struct Hunk {
    old: Range,
    new: Range,
    lines: Vec<(Side, Vec<u8>)>,
    /// Lines of each side that are still to come.
    missing: (usize, usize),
}

impl Range {
    /// `3,4`, or `3` for one line.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // Lines of a file that can be edited are far fewer.
        let number = |text: &str| text.parse::<u32>().ok().map(|number| number as usize);
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some(Self { start: number(start)?, count: number(count)? })
    }
}

impl Hunk {
    pub(super) fn new(old: Range, new: Range) -> Self {
        Self { old, new, lines: Vec::new(), missing: (old.count, new.count) }
    }

    /// As the diff has it.
    pub(super) fn header(&self) -> String {
        let Self { old, new, .. } = self;
        format!("@@ -{},{} +{},{} @@", old.start, old.count, new.start, new.count)
    }

    pub(super) fn wants_more(&self) -> bool {
        self.missing != (0, 0)
    }

    pub(super) fn context(&mut self, line: &[u8]) -> bool {
        self.take(Side::Both, line)
    }

    pub(super) fn remove(&mut self, line: &[u8]) -> bool {
        self.take(Side::Old, line)
    }

    pub(super) fn add(&mut self, line: &[u8]) -> bool {
        self.take(Side::New, line)
    }

    fn take(&mut self, side: Side, line: &[u8]) -> bool {
        let (old, new) = self.missing;
        let left = match side {
            Side::Both => old.checked_sub(1).zip(new.checked_sub(1)),
            Side::Old => old.checked_sub(1).zip(Some(new)),
            Side::New => Some(old).zip(new.checked_sub(1)),
        };
        let Some(left) = left else { return false };
        self.missing = left;
        self.lines.push((side, line.to_vec()));
        true
    }

    /// The line before has no newline. False where there is none.
    pub(super) fn end_without_newline(&mut self) -> bool {
        let Some((_, line)) = self.lines.last_mut() else { return false };
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        true
    }

    /// Ends each line as the file does whose lines all end with CRLF.
    pub(super) fn use_crlf(&mut self) {
        for (_, line) in &mut self.lines {
            if line.ends_with(b"\n") && !line.ends_with(b"\r\n") {
                line.pop();
                line.extend_from_slice(b"\r\n");
            }
        }
    }

    /// The first of its old lines, from 1. A hunk without any is named by the
    /// line before it.
    pub(super) fn first(&self) -> usize {
        if self.old.count == 0 { self.old.start + 1 } else { self.old.start }
    }

    /// What has to be there.
    pub(super) fn before(&self) -> Vec<&[u8]> {
        self.of(Side::Old)
    }

    /// What takes its place.
    pub(super) fn after(&self) -> Vec<&[u8]> {
        self.of(Side::New)
    }

    fn of(&self, side: Side) -> Vec<&[u8]> {
        let lines = self.lines.iter().filter(|(is, _)| *is == Side::Both || *is == side);
        lines.map(|(_, line)| line.as_slice()).collect()
    }

    /// Lines of context before its first change, and after its last.
    pub(super) fn context_around(&self) -> (usize, usize) {
        let is_context = |(side, _): &&(Side, Vec<u8>)| *side == Side::Both;
        let before = self.lines.iter().take_while(is_context).count();
        let after = self.lines.iter().rev().take_while(is_context).count();
        (before, after)
    }
}
