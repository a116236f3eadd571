//! Finds a field in a file by its name and value, through the file's hash table.
//!
//! Source: systemd's «Journal File Format», «Hash Table Objects». Used by
//! `selection.rs`.

use super::budget::Fault;
use super::file::{File, u64_at};
use super::object::Data;
use super::unpack::{self, Unpacked};

/// The longest chain of data with the same place that is followed. journald rotates
/// files whose chains have more than 100.
const MAX_CHAIN: usize = 10_000;
/// One place in the table: head and tail of its chain.
const PLACE: u64 = 16;

/// The data object whose payload is this, if the file has one.
pub(super) fn find(file: &File<'_>, payload: &[u8]) -> Result<Option<Data>, Fault> {
    let header = file.header();
    let places = header.data_table_size / PLACE;
    if places == 0 {
        return Ok(None);
    }
    let hash = header.hash.of(payload);
    let at = (hash % places)
        .checked_mul(PLACE)
        .and_then(|behind| behind.checked_add(header.data_table))
        .ok_or(Fault::Damaged { at: header.data_table, what: "the hash table is too large" })?;
    let mut head = [0; 8];
    file.read(at, &mut head)?;
    let mut next = u64_at(&head, 0);
    for _ in 0..MAX_CHAIN {
        if next == 0 {
            return Ok(None);
        }
        let data = Data::read(file, next)?;
        if data.hash == hash && holds(file, &data, payload)? {
            return Ok(Some(data));
        }
        next = data.next_hash;
    }
    Err(Fault::Damaged { at: next, what: "a chain of the hash table has no end" })
}

/// Whether this is the data's payload; one that cannot be unpacked is not.
fn holds(file: &File<'_>, data: &Data, payload: &[u8]) -> Result<bool, Fault> {
    match unpack::payload(file, data, payload.len() + 1)? {
        Unpacked::Payload { bytes, length } => {
            Ok(length == payload.len() as u64 && bytes == payload)
        }
        Unpacked::Not(_) => Ok(false),
    }
}
