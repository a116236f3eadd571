//! The lines of a journal in order, each with its place, bounded in length.
//!
//! What follows the last newline of the last segment, zero bytes at its end
//! included, is what a crash leaves behind: it is given as torn, not as a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::directory::segments;
use crate::record::MAX_RECORD;

/// More than this after the last whole line is no torn record.
const MAX_TORN: u64 = 16 * 1024 * 1024;

/// Where a line stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    /// Counted from 1.
    pub(crate) line: u64,
    /// Of the line's first byte in its file.
    pub(crate) offset: u64,
    /// The sequence in the segment's name, on its first line.
    pub(crate) begins: Option<u64>,
}

/// One piece of a journal.
#[derive(Debug)]
pub(crate) enum Piece {
    /// A whole line, without its newline.
    Line(Vec<u8>),
    /// The rest of the last segment, which a crash tore.
    Torn(Vec<u8>),
}

/// Iterates over a journal's lines.
#[derive(Debug)]
pub(crate) struct Lines {
    segments: std::vec::IntoIter<(u64, PathBuf)>,
    open: Option<(BufReader<File>, Place)>,
}

impl Lines {
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        Ok(Self { segments: segments(directory)?.into_iter(), open: None })
    }

    /// Leaves out all segments but the last.
    pub(crate) fn skip_to_newest(&mut self) {
        let before = self.segments.len().saturating_sub(1);
        drop(self.segments.by_ref().take(before).collect::<Vec<_>>());
    }

    /// The next piece and its place; none at the end.
    pub(crate) fn next(&mut self) -> Option<(Place, io::Result<Piece>)> {
        loop {
            let Some((reader, place)) = &mut self.open else {
                let (begins, file) = self.segments.next()?;
                let place = Place { file: file.clone(), line: 1, offset: 0, begins: Some(begins) };
                match File::open(&file) {
                    Ok(opened) => self.open = Some((BufReader::new(opened), place)),
                    Err(error) => return Some((place, Err(error))),
                }
                continue;
            };
            let here = place.clone();
            let mut bytes = Vec::new();
            let limit = MAX_RECORD as u64 + 1;
            if let Err(error) = reader.by_ref().take(limit).read_until(b'\n', &mut bytes) {
                return Some((here, Err(error)));
            }
            if bytes.is_empty() {
                self.open = None;
                continue;
            }
            place.line += 1;
            place.offset += bytes.len() as u64;
            place.begins = None;
            let whole = bytes.pop_if(|last| *last == b'\n').is_some();
            if whole && !bytes.contains(&0) || !self.segments.as_slice().is_empty() {
                return Some((here, Ok(Piece::Line(bytes))));
            }
            let rest = reader.take(MAX_TORN).read_to_end(&mut bytes);
            self.open = None;
            return Some((here, rest.map(|_| torn(bytes))));
        }
    }
}

/// A piece of a record, and zeroes where the system had only made room.
fn torn(bytes: Vec<u8>) -> Piece {
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let one_record = !bytes[..written].iter().any(|byte| [0, b'\n'].contains(byte));
    if one_record && written < MAX_RECORD { Piece::Torn(bytes) } else { Piece::Line(bytes) }
}
