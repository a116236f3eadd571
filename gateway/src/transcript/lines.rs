//! Cuts a stream into lines, with the offsets of their bytes.

use super::plain::plain;

/// Bytes of one piece of a line; a longer line comes in pieces.
pub(super) const PIECE: usize = 4096;

/// A line, or a piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) start: u64,
    /// Past its last byte, the line's end included.
    pub(super) end: u64,
    /// It ends with a line's end, and is no piece with more to come.
    pub(super) is_whole: bool,
}

/// The lines of a stream.
#[derive(Debug)]
pub(super) struct Lines {
    /// Of a line that has not ended.
    pending: Vec<u8>,
    start: u64,
    raw: bool,
}

impl Lines {
    pub(super) fn new(offset: u64, raw: bool) -> Self {
        Self { pending: Vec::new(), start: offset, raw }
    }

    /// How far it has read.
    pub(super) fn end(&self) -> u64 {
        self.start + self.pending.len() as u64
    }

    /// Takes bytes, and tells of each line that they end.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Line)) {
        while !bytes.is_empty() {
            let room = PIECE - self.pending.len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let (now, later) = bytes.split_at(end.map_or(room.min(bytes.len()), |end| end + 1));
            self.pending.extend_from_slice(now);
            bytes = later;
            if end.is_some() || self.pending.len() == PIECE {
                tell(self.cut(end.is_some()));
            }
        }
    }

    /// Goes on at `offset`; what was begun stays a piece.
    pub(super) fn skip_to(&mut self, offset: u64, mut tell: impl FnMut(Line)) {
        if !self.pending.is_empty() {
            tell(self.cut(false));
        }
        self.start = offset;
        self.pending.clear();
    }

    /// The text of a line that has not ended.
    pub(super) fn unfinished(&self) -> String {
        self.text(&self.pending).0
    }

    /// The line that has not ended, as far as it can be read.
    pub(super) fn finish(mut self) -> Option<Line> {
        let line = (!self.pending.is_empty()).then(|| self.cut(false))?;
        (line.end > line.start).then_some(line)
    }

    /// Takes what is pending as a line, or the whole characters of it as a piece.
    fn cut(&mut self, is_whole: bool) -> Line {
        let bytes = std::mem::take(&mut self.pending);
        let start = self.start;
        let (text, used) = if is_whole {
            (self.text(&bytes[..bytes.len() - 1]).0, bytes.len())
        } else {
            match self.text(&bytes) {
                // Nothing but what never ends, as far as it goes.
                (_, 0) if bytes.len() == PIECE => (String::new(), bytes.len()),
                text => text,
            }
        };
        self.pending.extend_from_slice(&bytes[used..]);
        self.start += used as u64;
        Line { text, start, end: self.start, is_whole }
    }

    /// The text, and how many bytes it stands for: a character or an escape sequence
    /// that is cut is left.
    fn text(&self, bytes: &[u8]) -> (String, usize) {
        if self.raw { raw(bytes) } else { plain(bytes) }
    }
}

/// As it is, but for bytes that are no UTF-8.
fn raw(bytes: &[u8]) -> (String, usize) {
    let used = whole_characters(bytes);
    (String::from_utf8_lossy(&bytes[..used]).into_owned(), used)
}

/// Bytes up to a character at the end that is cut.
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    (tail..bytes.len())
        .find(|at| {
            let rest = &bytes[*at..];
            let cut = std::str::from_utf8(rest).err();
            cut.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(bytes.len())
}
