//! Ranges of lines, without holding more of a file than the answer takes.

use std::io::{self, Read, Seek, SeekFrom};

use super::Part;
use crate::bounds;
use crate::fault::FileFault;
use crate::place::Place;

/// Bytes read at once.
const BLOCK: usize = 64 * 1024;

/// How many lines, and how many bytes of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    /// 0: as many as there are.
    pub(super) count: u64,
    pub(super) length: usize,
}

/// Why there are no lines.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The range names neither begin nor end, or both.
    Which,
    /// Bytes were asked for as well.
    Both,
    /// The file could not be read.
    Io(io::Error),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Wrong {
    pub(super) fn on(self, place: &Place) -> FileFault {
        match self {
            Self::Which => FileFault::Invalid(
                "a range of lines begins at a line from 1 on, or counts from the end".to_owned(),
            ),
            Self::Both => {
                FileFault::Invalid("a read is of bytes or of lines, not of both".to_owned())
            }
            Self::Io(error) => FileFault::io("read", place.asked())(error),
        }
    }
}

/// The lines of a whole file; a last one without a newline counts.
pub(super) fn count(all: &[u8]) -> u64 {
    let newlines = memchr::memchr_iter(b'\n', all).count() as u64;
    newlines + u64::from(all.last().is_some_and(|last| *last != b'\n'))
}

impl Lines {
    /// From the line `first` on.
    pub(super) fn from(self, file: &mut impl Read, first: u64) -> Result<Part, Wrong> {
        let mut part = Part { first_line: first, ..Part::default() };
        let (mut line, mut position, mut ended) = (1_u64, 0_u64, false);
        let (mut taken, mut full, mut last) = (0_u64, false, b'\n');
        let mut block = vec![0; BLOCK];
        loop {
            let read = read_some(file, &mut block)?;
            let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else {
                ended = true;
                break;
            };
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                let wanted = line >= first && !full && (self.count == 0 || taken < self.count);
                if wanted {
                    if part.data.is_empty() && last == b'\n' {
                        part.offset = position;
                    }
                    full = !self.take(&mut part.data, piece);
                }
                position += piece.len() as u64;
                last = *piece.last().unwrap_or(&last);
                if last == b'\n' {
                    taken += u64::from(wanted);
                    line += 1;
                }
            }
            let done = full || (self.count > 0 && taken >= self.count);
            if done && position > bounds::COUNTED {
                break;
            }
        }
        if full {
            cut(&mut part.data);
        }
        if ended {
            part.total_lines = Some(line - 1 + u64::from(last != b'\n'));
        }
        if part.data.is_empty() {
            part.offset = position;
        }
        Ok(part)
    }

    /// Adds as much of `piece` as there is room for; whether all of it.
    fn take(self, data: &mut Vec<u8>, piece: &[u8]) -> bool {
        let room = self.length.saturating_sub(data.len());
        data.extend_from_slice(&piece[..piece.len().min(room)]);
        piece.len() <= room
    }

    /// The last ones of a file of `size` bytes.
    pub(super) fn last(self, file: &mut (impl Read + Seek), size: u64) -> Result<Part, Wrong> {
        let mut data: Vec<u8> = Vec::new();
        let mut start = size;
        while start > 0 && data.len() < self.length && !self.has_enough(&data) {
            let step = start.min(BLOCK as u64);
            start -= step;
            file.seek(SeekFrom::Start(start))?;
            let mut block = Vec::new();
            file.by_ref().take(step).read_to_end(&mut block)?;
            block.append(&mut data);
            data = block;
        }
        // The newline that ends the last line begins none.
        let body = data.len() - usize::from(data.ends_with(b"\n"));
        let mut skip = match (start, self.count) {
            (0, 0) => 0,
            (_, 0) => next_line(&data, 0),
            (_, count) => {
                let wanted = usize::try_from(count).unwrap_or(usize::MAX);
                let newlines = memchr::memrchr_iter(b'\n', &data[..body]);
                newlines.into_iter().nth(wanted.saturating_sub(1)).map_or(0, |at| at + 1)
            }
        };
        if data.len() - skip > self.length {
            let least = data.len() - self.length;
            let whole = next_line(&data, least);
            skip = if whole < data.len() { whole } else { least };
        }
        let offset = start + skip as u64;
        data.drain(..skip);
        let mut part = Part { data, offset, ..Part::default() };
        if size <= bounds::COUNTED {
            file.seek(SeekFrom::Start(0))?;
            let before = newlines(&mut file.by_ref().take(offset))?;
            part.first_line = before + 1;
            part.total_lines = Some(before + count(&part.data));
        }
        Ok(part)
    }

    fn has_enough(self, data: &[u8]) -> bool {
        let newlines = memchr::memchr_iter(b'\n', data).count() as u64;
        self.count > 0 && newlines > self.count
    }
}

/// Leaves whole lines, where there is one.
fn cut(data: &mut Vec<u8>) {
    if let Some(at) = memchr::memrchr(b'\n', data) {
        data.truncate(at + 1);
    }
}

/// Where the first line begins that begins after `from`.
fn next_line(data: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &data[from..]).map_or(data.len(), |at| from + at + 1)
}

fn newlines(file: &mut impl Read) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut newlines = 0;
    loop {
        match read_some(file, &mut block)? {
            0 => return Ok(newlines),
            read => newlines += memchr::memchr_iter(b'\n', &block[..read]).count() as u64,
        }
    }
}

fn read_some(file: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"one\ntwo\nthree\nfour";

    fn from(first: u64, count: u64, length: usize) -> (String, u64, Option<u64>) {
        let part = Lines { count, length }.from(&mut &TEXT[..], first).unwrap();
        (String::from_utf8(part.data).unwrap(), part.offset, part.total_lines)
    }

    fn last(count: u64, length: usize) -> (String, u64, u64) {
        let mut file = io::Cursor::new(TEXT);
        let part = Lines { count, length }.last(&mut file, TEXT.len() as u64).unwrap();
        (String::from_utf8(part.data).unwrap(), part.offset, part.first_line)
    }

    #[test]
    fn lines_come_from_anywhere_with_their_place_and_all_are_counted() {
        assert_eq!(from(1, 2, 100), ("one\ntwo\n".into(), 0, Some(4)));
        assert_eq!(from(3, 0, 100), ("three\nfour".into(), 8, Some(4)));
        assert_eq!(from(9, 1, 100), (String::new(), 18, Some(4)));
    }

    #[test]
    fn a_bound_of_bytes_leaves_whole_lines_but_for_one_that_is_longer() {
        assert_eq!(from(1, 0, 9), ("one\ntwo\n".into(), 0, Some(4)));
        assert_eq!(from(3, 0, 3), ("thr".into(), 8, Some(4)));
    }

    #[test]
    fn the_last_lines_come_with_their_numbers() {
        assert_eq!(last(1, 100), ("four".into(), 14, 4));
        assert_eq!(last(2, 100), ("three\nfour".into(), 8, 3));
        assert_eq!(last(9, 100), ("one\ntwo\nthree\nfour".into(), 0, 1));
        assert_eq!(last(3, 11), ("three\nfour".into(), 8, 3));
    }
}
