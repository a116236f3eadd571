//! One journal file: its header, and reading from it.
//!
//! Everything is read with pread(2), so that a file that shrinks or changes meanwhile is
//! an error at most, and paid for from the [`Budget`]. journald writes while this reads:
//! what is linked up is there, so that what does not fit is damage. Used by `object.rs`,
//! `lookup.rs` and `chain.rs`.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::budget::{Budget, Fault};
use super::hash::DataHash;

/// The header as the first version had it; all that is used here lies within.
const HEADER: usize = 208;
const SIGNATURE: &[u8; 8] = b"LPKSHHRH";

/// Flags of what a reader has to know (`HEADER_INCOMPATIBLE_…`).
const KEYED_HASH: u32 = 1 << 2;
const COMPACT: u32 = 1 << 4;
/// Those, and compression by XZ, LZ4 and Zstandard.
const KNOWN: u32 = 0b1_1111;

/// A file that is open, with what its header says.
#[derive(Debug)]
pub(super) struct File<'b> {
    path: PathBuf,
    open: fs::File,
    budget: &'b Budget,
    header: Header,
}

/// What the header says, as far as it is needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// Offsets have 32 bits in lists.
    pub(super) compact: bool,
    pub(super) hash: DataHash,
    pub(super) seqnum_id: u128,
    /// Its own length; objects come behind.
    pub(super) size: u64,
    pub(super) data_table: u64,
    /// In bytes.
    pub(super) data_table_size: u64,
}

impl<'b> File<'b> {
    /// Opens a regular file that is a journal.
    pub(super) fn open(path: &Path, budget: &'b Budget) -> Result<Self, Fault> {
        // Nothing that waits (a FIFO), nothing that leads elsewhere.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
        let open = fs::File::from(opened);
        if !open.metadata()?.is_file() {
            return Err(Fault::Unknown("it is not a regular file".into()));
        }
        let mut bytes = [0; HEADER];
        budget.spend(HEADER)?;
        open.read_exact_at(&mut bytes, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Fault::Damaged { at: 0, what: "it is shorter than a header" }
            }
            _ => Fault::Read(error),
        })?;
        let header = Header::decode(&bytes)?;
        Ok(Self { path: path.to_owned(), open, budget, header })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Fills the buffer from this place on as far as the file goes, and says how far.
    pub(super) fn read_some(&self, at: u64, into: &mut [u8]) -> Result<usize, Fault> {
        self.budget.spend(into.len())?;
        let mut filled = 0;
        while filled < into.len() {
            let place = at
                .checked_add(filled as u64)
                .ok_or(Fault::Damaged { at, what: "an offset is beyond what a file can have" })?;
            match self.open.read_at(&mut into[filled..], place) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // An offset that no file has.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    /// Fills the buffer from this place on.
    pub(super) fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Fault> {
        if self.read_some(at, into)? == into.len() {
            Ok(())
        } else {
            Err(Fault::Damaged { at, what: "the file ends before" })
        }
    }
}

impl Header {
    fn decode(bytes: &[u8; HEADER]) -> Result<Self, Fault> {
        if !bytes.starts_with(SIGNATURE) {
            return Err(Fault::Unknown("it is not a journal file".into()));
        }
        let incompatible = u32_at(bytes, 12);
        if incompatible & !KNOWN != 0 {
            let flags = incompatible & !KNOWN;
            return Err(Fault::Unknown(format!(
                "it was written by a newer systemd, with features that are not known here \
                 ({flags:#x})"
            )));
        }
        let mut file_id = [0; 16];
        file_id.copy_from_slice(&bytes[24..40]);
        let size = u64_at(bytes, 88);
        if size < HEADER as u64 {
            return Err(Fault::Damaged { at: 88, what: "its header is too short" });
        }
        Ok(Self {
            compact: incompatible & COMPACT != 0,
            hash: if incompatible & KEYED_HASH == 0 {
                DataHash::Jenkins
            } else {
                DataHash::Keyed(file_id)
            },
            seqnum_id: u128_at(bytes, 72),
            size,
            data_table: u64_at(bytes, 104),
            data_table_size: u64_at(bytes, 112),
        })
    }
}

/// A little-endian number; 0 beyond the end, which callers rule out by reading enough.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// As [`u64_at`].
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// An id, whose bytes read from left to right; as [`u64_at`].
pub(super) fn u128_at(bytes: &[u8], at: usize) -> u128 {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |chunk| u128::from_be_bytes(*chunk))
}
