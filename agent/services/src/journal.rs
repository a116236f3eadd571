//! Reads what the journal has of one unit, from its files.
//!
//! Format: systemd's «Journal File Format». Own code, because of the crates that read it
//! without libsystemd none does what is needed here: `sdjournal` (one author) drops files
//! that it cannot open without a word and has no bound on what a query reads as a whole,
//! `systemd-journal-sdk` maps files into memory, where one that shrinks ends the process.
//! This one reads with pread(2) only, checks each offset and size, and looks at nothing
//! but what the query needs: from the unit's entry in a file's hash table along the
//! arrays of its entries, from either end, found by bisection.
//!
//! What belongs to a unit is what `journalctl -u` shows: what its processes logged,
//! and what systemd and systemd-coredump said about it (`selection.rs`). Journal
//! namespaces and files of other machines are left alone.
//!
//! Called by the agent's read-only tool. Blocks, within its time limit.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod budget;
mod chain;
mod cursor;
mod fields;
mod file;
mod hash;
mod lookup;
mod merge;
mod object;
mod page;
mod places;
mod query;
mod selection;
mod source;
mod unpack;

pub use cursor::{Cursor, CursorError};
pub use page::{Entry, Gap, Page};
pub use query::{Grep, GrepError, MAX_BYTES, MAX_LINES, Priority, PriorityError, Query, Start};

/// Where journald keeps its files (systemd-journald.service(8)).
const ROOTS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];
const MACHINE_ID: &str = "/etc/machine-id";

/// The journal of one machine.
#[derive(Debug, Clone)]
pub struct Journal {
    roots: Vec<PathBuf>,
    machine: MachineId,
    bounds: Bounds,
}

/// The id of a machine (machine-id(5)), after which its journal's directory is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineId(String);

/// The most that one [`Journal::read`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Files that are looked into, those written last first. 200.
    pub files: usize,
    /// Bytes that are read from them. 256 MiB.
    pub bytes: u64,
    /// How long it may take. 3 s.
    pub time: Duration,
}

/// Why there is no page at all. What could not be read beside what could is a [`Gap`].
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It is not known whose journal to read.
    #[error(
        "cannot read this machine's id from {path}: {source}; its journal is kept under that id, \
         and the file is made by systemd-machine-id-setup(1)"
    )]
    MachineId {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No directory of the journal is there.
    #[error(
        "there is no journal of this machine in {looked}; systemd-journald does not run here, or \
         keeps nothing (`Storage=` in journald.conf(5))"
    )]
    None {
        /// Where it was looked for.
        looked: String,
    },
    /// All that is there is closed to this process.
    #[error(
        "cannot read the journal: {reason}; the agent's user has to be a member of the group \
         systemd-journal, and its service restarted since"
    )]
    Closed {
        /// What was tried, and what the kernel said.
        reason: String,
    },
}

impl Journal {
    /// The journal of this host.
    pub fn of_this_host() -> Result<Self, JournalError> {
        let machine = MachineId::read(Path::new(MACHINE_ID))?;
        Ok(Self::new(ROOTS.map(PathBuf::from).to_vec(), machine))
    }

    /// The journal of this machine in these directories, each as `/var/log/journal`.
    #[must_use]
    pub fn new(roots: Vec<PathBuf>, machine: MachineId) -> Self {
        Self { roots, machine, bounds: Bounds::default() }
    }

    /// With other bounds.
    #[must_use]
    pub fn with_bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Reads one page of entries.
    pub fn read(&self, query: &Query) -> Result<Page, JournalError> {
        let budget = budget::Budget::new(self.bounds);
        let found = places::find(&self.roots, &self.machine, self.bounds.files)?;
        merge::page(found, query, &budget)
    }
}

impl MachineId {
    /// Reads it from a file such as `/etc/machine-id`.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let unusable = |source| JournalError::MachineId { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unusable)?;
        Self::parse(text.trim_end()).ok_or_else(|| {
            unusable(io::Error::new(
                io::ErrorKind::InvalidData,
                "it does not hold 32 lower-case hexadecimal digits",
            ))
        })
    }

    /// From its 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self { files: 200, bytes: 256 << 20, time: Duration::from_secs(3) }
    }
}
