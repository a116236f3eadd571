//! What is wrong with a journal, and where.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;

/// A journal is broken at one place.
#[derive(Debug, thiserror::Error)]
#[error("the journal is broken at `{}`, line {line}, where record {sequence} belongs: {fault}", file.display())]
pub struct Broken {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 0 where the file as a whole is meant.
    pub line: u64,
    /// The sequence of the record that belongs here.
    pub sequence: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong at one place of a journal.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("cannot read it: {0}")]
    Unreadable(#[from] io::Error),
    /// The line is no record.
    #[error("the line is no record: {reason}")]
    NotARecord {
        /// Why not.
        reason: String,
    },
    /// The line's content and hash disagree.
    #[error("the record was edited: its hash is not that of its content")]
    Edited,
    /// A later record stands here.
    #[error("records are missing: record {found} stands here")]
    Missing {
        /// The sequence found.
        found: u64,
    },
    /// An earlier record stands here.
    #[error("record {found} stands here again or out of order")]
    OutOfOrder {
        /// The sequence found.
        found: u64,
    },
    /// The record does not follow the one before it.
    #[error(
        "the record does not follow the one before, which was replaced or edited: it names {found}, and that one has {expected}"
    )]
    Unlinked {
        /// The hash of the record before.
        expected: Digest,
        /// What the record names instead.
        found: Digest,
    },
    /// A checkpoint's, key's or head's signature is wrong.
    #[error(
        "the signature of the {what} is wrong: what it signs was changed, or another key signed it"
    )]
    Signature {
        /// Checkpoint, key change or head.
        what: &'static str,
    },
    /// A key that is not trusted signs here.
    #[error("the journal is signed by the key {key_id}, which is not among the trusted keys")]
    UntrustedKey {
        /// Its id.
        key_id: String,
    },
    /// The signing key changed without a record signed by the old one.
    #[error("the signing key changed to {key_id} without the old key's word")]
    KeyWithoutWord {
        /// The new key's id.
        key_id: String,
    },
    /// The first record does not open the journal.
    #[error("the journal does not begin with an `opened` record")]
    NotOpened,
    /// The journal ends before the record that its head names.
    #[error("the end is missing: the head file names record {head}")]
    Truncated {
        /// The sequence that the head names.
        head: u64,
    },
    /// The record that the head names has another hash.
    #[error("the head file names another record {head}: the journal was rewritten")]
    OtherHead {
        /// The sequence that the head names.
        head: u64,
    },
    /// There is no head file, and there must be one.
    #[error("the head file is missing; without it nobody can tell whether the end is")]
    NoHead,
    /// The head file is none.
    #[error("the head file cannot be understood: {0}")]
    BadHead(String),
    /// A segment file's name does not fit its place.
    #[error("the segment's name says that it begins with record {found}")]
    SegmentName {
        /// What the name says.
        found: u64,
    },
}
