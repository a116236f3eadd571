//! Every bound of the worker in one place. The agent checks the same numbers
//! before it starts one, to answer with a field path.

use std::time::Duration;

/// Bytes of a path.
pub const PATH: usize = 4096;
/// Bytes of an encoded request.
pub const REQUEST: u64 = 8 << 20;
/// Bytes of an encoded response.
pub const RESPONSE: u64 = 16 << 20;
/// Bytes of one read, at most.
pub const READ: u64 = 4 << 20;
/// Files of one read.
pub const FILES: usize = 64;
/// Bytes of a file whose lines are counted.
pub const COUNTED: u64 = 64 << 20;
/// Bytes of one copy.
pub const COPIED: u64 = 16 << 30;
/// Levels of a tree that is copied or removed.
pub const TREE_DEPTH: usize = 256;
/// Directories that are watched.
pub const WATCHES: usize = 4096;
/// Changes that one answer tells.
pub const CHANGES: usize = 1_000;
/// How long a watch waits, in milliseconds, at most.
pub const WAIT_MILLIS: u32 = 50_000;
/// How long it waits for quiet, in milliseconds, at most.
pub const SETTLE_MILLIS: u32 = 5_000;
/// Types of files in one search.
pub const TYPES: usize = 32;
/// Bytes of one read where the request says nothing.
pub const READ_DEFAULT: u64 = 1 << 20;
/// Bytes of one write.
pub const WRITE: usize = 4 << 20;
/// Bytes of a file that is edited, before and after.
pub const EDIT: usize = 16 << 20;
/// Replacements of one edit.
pub const REPLACEMENTS: usize = 256;
/// Places that one replacement changes.
pub const REPLACED: usize = 100_000;
/// Hunks of a diff that is applied.
pub const HUNKS: usize = 10_000;
/// Lines that a hunk may be away from where its header says.
pub const OFFSET: i64 = 1_000;
/// Bytes of a diff in an answer.
pub const DIFF: usize = 1 << 20;
/// Bytes of a file that is hashed after an append or for a precondition.
pub const HASHED: u64 = 256 << 20;
/// Entries of a listing, at most.
pub const ENTRIES: u32 = 10_000;
/// Entries of a listing where the request says nothing.
pub const ENTRIES_DEFAULT: u32 = 1_000;
/// Levels of a listing.
pub const DEPTH: u32 = 32;
/// Levels that a search goes down.
pub const SEARCH_DEPTH: usize = 128;
/// Matches of a search, at most.
pub const MATCHES: u32 = 10_000;
/// Matches of a search where the request says nothing.
pub const MATCHES_DEFAULT: u32 = 200;
/// Lines before and after a match.
pub const CONTEXT_LINES: u32 = 20;
/// Bytes of a line in a match.
pub const LINE: usize = 2048;
/// Bytes of a pattern.
pub const PATTERN: usize = 4096;
/// Bytes of names and lines in one answer.
pub const ANSWER: usize = 4 << 20;
/// Bytes of a line that the searcher holds; a file with a longer one is skipped.
pub const SEARCH_BUFFER: usize = 1 << 20;
/// Directory entries that a walk looks at.
pub const VISITED: usize = 2_000_000;
/// How long a walk may take.
pub const TIME: Duration = Duration::from_secs(30);
/// Protected paths in one request.
pub const PLACES: usize = 256;
/// Bytes of a protected path.
pub const PLACE: usize = 1024;
/// Directory entries that are looked at for what appeared at protected paths.
pub const APPEARED_VISITED: usize = 20_000;
/// Paths told of those that appeared.
pub const APPEARED: usize = 64;
/// Bytes of a stream that are read and written at once; what its pipe holds, too.
pub const STREAMED: usize = 1 << 20;
/// Uploads that broke off and are kept.
pub const KEPT: usize = 4;
/// How long they are kept.
pub const KEPT_FOR: Duration = Duration::from_mins(10);
