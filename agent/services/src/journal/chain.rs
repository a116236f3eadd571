//! The list of entries that have one field, from the oldest to the newest.
//!
//! A data object names its first entry itself and the others by a chain of arrays, each
//! about twice as long as the one before (systemd's «Journal File Format», «Entry Array
//! Objects»). The chain is followed once, by the arrays' heads; then any entry of the
//! list is found by its number, so that reading can start anywhere. Used by `source.rs`.

use super::budget::Fault;
use super::file::File;
use super::object::{Data, EntryArray};

/// The longest chain that is followed: doubling, 64 would be more than a file can hold.
const MAX_ARRAYS: usize = 1_000;
/// How many entries of an array are read at once.
const WINDOW: u64 = 64;

/// The entries of one field in one file.
#[derive(Debug)]
pub(super) struct Chain {
    first: u64,
    arrays: Vec<Part>,
    /// How many entries there are.
    length: u64,
    window: Window,
}

/// One array, and how many entries come before it.
#[derive(Debug)]
struct Part {
    array: EntryArray,
    before: u64,
}

/// Entries that were read last, and the number of the first of them.
#[derive(Debug, Default)]
struct Window {
    from: u64,
    entries: Vec<u64>,
}

impl Chain {
    /// The list of this field, and what is wrong with it, if it cannot be followed to
    /// its end.
    pub(super) fn of(file: &File<'_>, data: &Data) -> Result<(Self, Option<Fault>), Fault> {
        let mut chain = Self {
            first: data.entry,
            arrays: Vec::new(),
            length: data.entries.min(1),
            window: Window::default(),
        };
        let broken = match chain.follow(file, data) {
            Err(stopped @ Fault::Stopped(_)) => return Err(stopped),
            followed => followed.err(),
        };
        Ok((chain, broken))
    }

    fn follow(&mut self, file: &File<'_>, data: &Data) -> Result<(), Fault> {
        let mut next = data.entry_array;
        while self.length < data.entries {
            if next == 0 {
                let what = "a list of entries is shorter than it says";
                return Err(Fault::Damaged { at: data.at, what });
            }
            let array = EntryArray::read(file, next)?;
            // Arrays are appended to the file, so that none leads back.
            let last = self.arrays.last().map_or(0, |part| part.array.at);
            if array.at <= last || self.arrays.len() >= MAX_ARRAYS {
                let what = "a list of entries leads back, or is too long";
                return Err(Fault::Damaged { at: array.at, what });
            }
            next = array.next;
            self.arrays.push(Part { array, before: self.length });
            self.length = self.length.saturating_add(array.capacity).min(data.entries);
        }
        Ok(())
    }

    /// How many entries there are.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Where the entry with this number is, counted from 0, the oldest.
    pub(super) fn entry(&mut self, file: &File<'_>, number: u64) -> Result<u64, Fault> {
        if number == 0 {
            return Ok(self.first);
        }
        if let Some(known) = self.window.get(number) {
            return Ok(known);
        }
        let behind = self.arrays.partition_point(|part| part.before <= number);
        let missing = Fault::Damaged { at: self.first, what: "a list of entries is too short" };
        let part = self.arrays.get(behind.wrapping_sub(1)).ok_or(missing)?;
        let from = (number - part.before) / WINDOW * WINDOW;
        let there = part.array.capacity.saturating_sub(from).min(self.length - part.before - from);
        let count = usize::try_from(there.min(WINDOW)).unwrap_or_default();
        let entries = part.array.entries(file, from, count)?;
        self.window = Window { from: part.before + from, entries };
        let beyond = Fault::Damaged { at: part.array.at, what: "a list of entries is too short" };
        self.window.get(number).ok_or(beyond)
    }

    /// The number of the first entry for which the condition does not hold, where it holds
    /// for all before and none behind.
    pub(super) fn bisect(
        &mut self,
        file: &File<'_>,
        mut holds: impl FnMut(u64) -> Result<bool, Fault>,
    ) -> Result<u64, Fault> {
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(self.entry(file, middle)?)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

impl Window {
    fn get(&self, number: u64) -> Option<u64> {
        let at = usize::try_from(number.checked_sub(self.from)?).ok()?;
        self.entries.get(at).copied()
    }
}
