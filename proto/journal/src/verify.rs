//! Verifying a journal: every record, every link, every signature, and that its
//! end is there. Takes no lock, so it works beside the writer.

use std::path::{Path, PathBuf};

use cofferdam_trust::{TrustedKeys, VerifyingKey};

use crate::broken::{Broken, Fault};
use crate::chain::Chain;
use crate::digest::Digest;
use crate::directory::segments;
use crate::head::{self, Head};
use crate::lines::{Lines, Piece, Place};
use crate::record::Record;
use crate::recovery::broken;

/// A journal in which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose journal it is.
    pub owner: String,
    /// How many records.
    pub records: u64,
    /// The last record's hash.
    pub last: Digest,
    /// How many records follow the last checkpoint: their removal from the end
    /// would show only when the journals are reconciled.
    pub unsigned: u64,
    /// Ids of the keys that signed.
    pub key_ids: Vec<String>,
    /// Bytes after the last whole record: torn by a crash, or being written.
    pub torn: u64,
}

/// Walks a journal record by record, checking as it goes.
pub(crate) struct Walk<'k> {
    directory: PathBuf,
    lines: Lines,
    chain: Chain<'k>,
    head: Option<Head>,
    head_seen: bool,
    torn: Option<(Place, Vec<u8>)>,
    last_segment: Option<u64>,
}

/// What a walk came to.
pub(crate) struct End<'k> {
    pub(crate) chain: Chain<'k>,
    pub(crate) torn: Option<(Place, Vec<u8>)>,
    pub(crate) last_segment: Option<u64>,
}

impl<'k> Walk<'k> {
    pub(crate) fn new(directory: &Path, trusted: Option<&'k TrustedKeys>) -> Result<Self, Broken> {
        let at = |file: PathBuf, fault| Broken { file, line: 0, sequence: 1, fault };
        // The head first: what is written after this is not missed.
        let head = Head::read(directory).map_err(|fault| at(head::path(directory), fault))?;
        let unreadable = |error| at(directory.to_owned(), Fault::Unreadable(error));
        let last_segment = segments(directory).map_err(unreadable)?.last().map(|(first, _)| *first);
        let lines = Lines::new(directory).map_err(unreadable)?;
        let chain = Chain::new(trusted);
        let directory = directory.to_owned();
        Ok(Self { directory, lines, chain, head, head_seen: false, torn: None, last_segment })
    }

    /// The next record; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Broken> {
        let Some((place, piece)) = self.lines.next() else { return Ok(None) };
        let sequence = self.chain.next;
        let record = match piece.map_err(Fault::from) {
            Ok(Piece::Line(line)) => self.follow(&place, &line),
            Ok(Piece::Torn(bytes)) => {
                self.torn = Some((place, bytes));
                return Ok(None);
            }
            Err(fault) => Err(fault),
        };
        record.map(Some).map_err(|fault| broken(&place, sequence, fault))
    }

    fn follow(&mut self, place: &Place, line: &[u8]) -> Result<Record, Fault> {
        let record = self.chain.follow(line)?;
        if let Some(found) = place.begins.filter(|begins| *begins != record.sequence) {
            return Err(Fault::SegmentName { found });
        }
        if let Some(head) = self.head.as_ref().filter(|head| head.seq == record.sequence) {
            if head.hash != record.hash {
                return Err(Fault::OtherHead { head: head.seq });
            }
            self.head_seen = true;
        }
        Ok(record)
    }

    /// Checks the end: is it where the head says it is?
    pub(crate) fn finish(self) -> Result<End<'k>, Broken> {
        let Self { directory, chain, head, head_seen, torn, last_segment, .. } = self;
        let fault = match &head {
            Some(head) if !head_seen => Some(Fault::Truncated { head: head.seq }),
            Some(head) => head.verify(&chain.keys, &chain.owner).err(),
            None if chain.in_use => Some(Fault::NoHead),
            None => None,
        };
        match fault {
            None => Ok(End { chain, torn, last_segment }),
            Some(fault @ Fault::Truncated { .. }) => {
                let last = segments(&directory).ok().and_then(|mut segments| segments.pop());
                let file = last.map_or(directory, |(_, path)| path);
                Err(Broken { file, line: 0, sequence: chain.next, fault })
            }
            Some(fault) => {
                let file = head::path(&directory);
                Err(Broken { file, line: 1, sequence: chain.next, fault })
            }
        }
    }
}

/// Checks the whole journal in `directory`. With `trusted`, its first key must
/// be among them, and every later one signed for by the one before; without,
/// the journal's own first key is believed.
pub fn verify(directory: &Path, trusted: Option<&TrustedKeys>) -> Result<Verified, Broken> {
    let mut walk = Walk::new(directory, trusted)?;
    while walk.next()?.is_some() {}
    let End { chain, torn, .. } = walk.finish()?;
    let records = chain.next - 1;
    if records == 0 {
        let file = directory.to_owned();
        return Err(Broken { file, line: 0, sequence: 1, fault: Fault::NotOpened });
    }
    Ok(Verified {
        records,
        last: chain.last,
        unsigned: records - chain.last_checkpoint.unwrap_or(0),
        key_ids: chain.keys.iter().map(VerifyingKey::key_id).collect(),
        torn: torn.map_or(0, |(_, bytes)| bytes.len() as u64),
        owner: chain.owner,
    })
}
