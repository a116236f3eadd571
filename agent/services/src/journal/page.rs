//! A page of entries, and what could not be read beside them.
//!
//! Made by `merge.rs`, for the agent's read-only tool. Nothing is left out without a word:
//! a page with gaps is not complete, and each gap says what is missing and why.

use std::path::PathBuf;
use std::time::SystemTime;

use super::{Cursor, Priority};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The newest last.
    pub entries: Vec<Entry>,
    /// From where to read on in the same direction (as [`super::Start::Before`], after
    /// [`super::Start::After`] as that); `None`: there is nothing further, as far as could be
    /// read. What is logged later comes after the last entry.
    pub next: Option<Cursor>,
    /// What is missing within what was asked for, apart from what comes after `next`.
    pub gaps: Vec<Gap>,
}

/// An entry of the journal. Texts are lossy UTF-8 without control characters but line
/// feeds and tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was received, by the wall clock.
    pub realtime: SystemTime,
    /// `PRIORITY=`
    pub priority: Option<Priority>,
    /// `SYSLOG_IDENTIFIER=`, or `_COMM=`; 256 bytes at most.
    pub identifier: Option<String>,
    /// `_PID=`, or `SYSLOG_PID=`.
    pub pid: Option<u32>,
    /// `MESSAGE=`; 16 KiB at most.
    pub message: String,
    /// Bytes of the message that are not in `message`.
    pub left_out: u64,
    /// Fields of the entry that could not be read, of which one may be the message; a gap
    /// says why.
    pub unread_fields: u32,
    /// Its place.
    pub cursor: Cursor,
}

/// What could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    /// A bound of [`super::Bounds`] was reached before the page was full or the journal at
    /// its end; what was not looked at comes after [`Page::next`], if reading got so far.
    #[error("reading stopped at its bound of {bound} before the page was full")]
    Stopped {
        /// Which.
        bound: &'static str,
    },
    /// There are more files than may be looked into.
    #[error("{count} of the journal's files, those written longest ago, were not looked into")]
    FilesNotLooked {
        /// How many.
        count: usize,
    },
    /// A file, or a directory of files, that cannot be read at all.
    #[error("{path} was not read: {reason}")]
    FileSkipped {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file whose list of the unit's entries ends in something else.
    #[error("{path} was not read to its end: {reason}")]
    FileDamaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Entries that cannot be read.
    #[error("{count} entries of {path} could not be read: {reason}")]
    EntriesDamaged {
        /// In which file.
        path: PathBuf,
        /// How many.
        count: u64,
        /// What is wrong with the first of them.
        reason: String,
    },
    /// Fields that cannot be read, each of which may be a message.
    #[error("{count} fields of {path} could not be read, and may be messages: {reason}")]
    FieldsUnread {
        /// In which file.
        path: PathBuf,
        /// How many.
        count: u64,
        /// Why not, of the first.
        reason: String,
    },
    /// Long messages of which only the first 16 KiB were searched.
    #[error("of {count} messages only the first 16 KiB were searched")]
    CutBeforeSearch {
        /// How many.
        count: u64,
    },
}

impl Page {
    /// Whether nothing is missing between the first and the last entry.
    pub fn complete(&self) -> bool {
        self.gaps.is_empty()
    }
}
