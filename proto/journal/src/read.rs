//! Reading a journal's records in order, for showing them. Each record's own
//! hash is checked, the chain is not: that is [`verify`](crate::verify())'s.

use std::path::{Path, PathBuf};

use crate::broken::{Broken, Fault};
use crate::lines::{Lines, Piece};
use crate::record::Record;
use crate::recovery::broken;

/// The records of a journal. A line that is no record is an error in its place,
/// and the records after it still follow.
#[derive(Debug)]
pub struct Records {
    lines: Lines,
    next: u64,
}

/// The records in `directory`. Takes no lock; a line that is being written is
/// not seen.
pub fn read(directory: &Path) -> Result<Records, Broken> {
    let file: PathBuf = directory.to_owned();
    let lines = Lines::new(directory).map_err(|error| Broken {
        file,
        line: 0,
        sequence: 1,
        fault: Fault::Unreadable(error),
    })?;
    Ok(Records { lines, next: 1 })
}

/// The records of the newest segment in `directory`, at most 64 MiB of them: for who
/// wants to know of late only.
pub(crate) fn read_newest(directory: &Path) -> Result<Records, Broken> {
    let Records { mut lines, next } = read(directory)?;
    lines.skip_to_newest();
    Ok(Records { lines, next })
}

impl Iterator for Records {
    type Item = Result<Record, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let (place, piece) = self.lines.next()?;
        let expected = self.next;
        let record = match piece.map_err(Fault::from) {
            Ok(Piece::Line(line)) => Record::parse(&line),
            Ok(Piece::Torn(_)) => return None,
            Err(fault) => Err(fault),
        };
        self.next = record.as_ref().map_or(expected, |record| record.sequence) + 1;
        Some(record.map_err(|fault| broken(&place, expected, fault)))
    }
}
