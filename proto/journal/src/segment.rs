//! The segment that is being written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use crate::directory::{Directory, segment_path};

/// One open segment file, written at its end only.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    length: u64,
}

impl Segment {
    /// Opens the segment that begins with record `first`, or makes it durably.
    pub(crate) fn open(directory: &Directory, first: u64) -> io::Result<Self> {
        let path = segment_path(directory.path(), first);
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        if length == 0 {
            directory.sync()?;
        }
        Ok(Self { file, length })
    }

    /// Bytes in it.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Writes whole lines.
    pub(crate) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Makes what was written durable: fdatasync(2).
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
