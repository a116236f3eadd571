//! The objects of a journal file: data, entries, and the arrays that list entries.
//!
//! Source: systemd's «Journal File Format», «Objects». An object is looked at by its
//! first bytes; how much more of it is read is for the caller to say. Used by
//! `lookup.rs`, `chain.rs`, `source.rs` and `fields.rs`.

use super::budget::Fault;
use super::cursor::Cursor;
use super::file::{File, u32_at, u64_at, u128_at};

/// How much of an object is read at first: nearly all data objects are shorter.
const PEEK: usize = 512;
/// The most fields of an entry that are looked at: journald's own limit.
const MAX_FIELDS: usize = 1024;

const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;

/// One field of entries: name, `=`, value.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) at: u64,
    /// How the payload is packed: the flags of the object.
    pub(super) packed: u8,
    pub(super) hash: u64,
    /// The next with the same place in the hash table.
    pub(super) next_hash: u64,
    /// The first entry that has it.
    pub(super) entry: u64,
    /// The array of further ones.
    pub(super) entry_array: u64,
    pub(super) entries: u64,
    /// Where the payload starts in the file.
    payload_at: u64,
    /// The length of the payload.
    pub(super) length: u64,
    /// The payload's begin.
    pub(super) start: Vec<u8>,
}

/// An entry: its place, and which data it has.
#[derive(Debug)]
pub(super) struct EntryObject {
    pub(super) cursor: Cursor,
    pub(super) data: Vec<u64>,
}

/// A part of a list of entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryArray {
    pub(super) at: u64,
    pub(super) next: u64,
    /// How many entries it has room for.
    pub(super) capacity: u64,
}

/// The first bytes of an object, none beyond its end.
struct Peeked {
    flags: u8,
    size: u64,
    bytes: Vec<u8>,
}

fn damaged<T>(at: u64, what: &'static str) -> Result<T, Fault> {
    Err(Fault::Damaged { at, what })
}

fn peek(file: &File<'_>, at: u64, kind: u8, least: u64, most: usize) -> Result<Peeked, Fault> {
    if at < file.header().size || !at.is_multiple_of(8) {
        return damaged(at, "no object can stand there");
    }
    let mut bytes = vec![0; most];
    let read = file.read_some(at, &mut bytes)?;
    bytes.truncate(read);
    if read < 16 {
        return damaged(at, "the file ends before an object");
    }
    if bytes[0] != kind {
        return damaged(at, "an object of another type stands there");
    }
    let size = u64_at(&bytes, 8);
    if size < least || size.checked_add(at).is_none() {
        return damaged(at, "an object has a size that it cannot have");
    }
    let size_here = usize::try_from(size).unwrap_or(usize::MAX);
    if read < size_here.min(most) {
        return damaged(at, "the file ends within an object");
    }
    bytes.truncate(size_here);
    Ok(Peeked { flags: bytes[1], size, bytes })
}

impl Data {
    pub(super) fn read(file: &File<'_>, at: u64) -> Result<Self, Fault> {
        let head: usize = if file.header().compact { 72 } else { 64 };
        let Peeked { flags, size, bytes } = peek(file, at, DATA, head as u64 + 1, PEEK)?;
        Ok(Self {
            at,
            packed: flags & 0b111,
            hash: u64_at(&bytes, 16),
            next_hash: u64_at(&bytes, 24),
            entry: u64_at(&bytes, 40),
            entry_array: u64_at(&bytes, 48),
            entries: u64_at(&bytes, 56),
            payload_at: at + head as u64,
            length: size - head as u64,
            start: bytes[head..].to_vec(),
        })
    }

    /// The payload, packed as it is; its first `most` bytes if it is longer.
    pub(super) fn payload(&self, file: &File<'_>, most: usize) -> Result<Vec<u8>, Fault> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX).min(most);
        if length <= self.start.len() {
            return Ok(self.start[..length].to_vec());
        }
        let mut payload = vec![0; length];
        file.read(self.payload_at, &mut payload)?;
        Ok(payload)
    }
}

impl EntryObject {
    const HEAD: usize = 64;

    /// The place of the entry, without its data.
    pub(super) fn cursor(file: &File<'_>, at: u64) -> Result<Cursor, Fault> {
        let peeked = peek(file, at, ENTRY, Self::HEAD as u64, Self::HEAD)?;
        Ok(Self::decode_cursor(file, &peeked.bytes))
    }

    pub(super) fn read(file: &File<'_>, at: u64) -> Result<Self, Fault> {
        let mut peeked = peek(file, at, ENTRY, Self::HEAD as u64, PEEK)?;
        let item = if file.header().compact { 4 } else { 16 };
        let size = usize::try_from(peeked.size).unwrap_or(usize::MAX);
        if (size - Self::HEAD) / item > MAX_FIELDS {
            return damaged(at, "an entry has more than 1,024 fields");
        }
        if size > peeked.bytes.len() {
            peeked.bytes.resize(size, 0);
            file.read(at, &mut peeked.bytes)?;
        }
        let cursor = Self::decode_cursor(file, &peeked.bytes);
        let items = peeked.bytes[Self::HEAD..].chunks_exact(item);
        let data = items.map(|item| offset(item, file.header().compact)).collect();
        Ok(Self { cursor, data })
    }

    fn decode_cursor(file: &File<'_>, bytes: &[u8]) -> Cursor {
        Cursor {
            seqnum_id: file.header().seqnum_id,
            seqnum: u64_at(bytes, 16),
            realtime: u64_at(bytes, 24),
            monotonic: u64_at(bytes, 32),
            boot_id: u128_at(bytes, 40),
            xor_hash: u64_at(bytes, 56),
        }
    }
}

impl EntryArray {
    const HEAD: usize = 24;

    pub(super) fn read(file: &File<'_>, at: u64) -> Result<Self, Fault> {
        let peeked = peek(file, at, ENTRY_ARRAY, Self::HEAD as u64, Self::HEAD)?;
        let item = if file.header().compact { 4 } else { 8 };
        let capacity = (peeked.size - Self::HEAD as u64) / item;
        Ok(Self { at, next: u64_at(&peeked.bytes, 16), capacity })
    }

    /// `count` of its entries from the one with this number on, all within its capacity.
    pub(super) fn entries(
        &self,
        file: &File<'_>,
        from: u64,
        count: usize,
    ) -> Result<Vec<u64>, Fault> {
        let compact = file.header().compact;
        let item: usize = if compact { 4 } else { 8 };
        let at = from
            .checked_mul(item as u64)
            .and_then(|behind| behind.checked_add(self.at + Self::HEAD as u64))
            .ok_or(Fault::Damaged { at: self.at, what: "a list is longer than a file can be" })?;
        let mut bytes = vec![0; count * item];
        file.read(at, &mut bytes)?;
        Ok(bytes.chunks_exact(item).map(|item| offset(item, compact)).collect())
    }
}

/// The offset that an item of a list starts with.
fn offset(item: &[u8], compact: bool) -> u64 {
    if compact { u32_at(item, 0).into() } else { u64_at(item, 0) }
}
