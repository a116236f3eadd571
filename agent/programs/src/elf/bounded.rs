//! A file's bytes, a bounded number of them: whatever sizes an ELF header
//! claims, no table is read that is larger than [`bounds::ELF_TABLE`], and not
//! more than was left in all.

use std::cell::Cell;
use std::fs::File;
use std::ops::Range;

use object::read::{ReadCache, ReadRef};

use crate::bounds;

/// A window on a file that `object` parses through.
#[derive(Clone, Copy)]
pub(super) struct Bounded<'a> {
    file: &'a ReadCache<File>,
    left: &'a Cell<u64>,
}

impl<'a> Bounded<'a> {
    pub(super) fn new(file: &'a ReadCache<File>, left: &'a Cell<u64>) -> Self {
        Self { file, left }
    }

    fn take(self, size: u64) -> Result<(), ()> {
        let fits = size <= bounds::ELF_TABLE;
        let left = self.left.get().checked_sub(size).filter(|_| fits).ok_or(())?;
        self.left.set(left);
        Ok(())
    }
}

impl<'a> ReadRef<'a> for Bounded<'a> {
    fn len(self) -> Result<u64, ()> {
        self.file.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        self.take(size)?;
        self.file.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        // The cache reads in small steps, and gives up after 4096 bytes.
        let bytes = self.file.read_bytes_at_until(range, delimiter)?;
        self.take(bytes.len() as u64 + 1)?;
        Ok(bytes)
    }
}
