//! The last bytes of a stream, with the digest of all of it.
//!
//! Held in chunks, so that what is let go is given back at once and what is
//! held costs little more than its bytes; or in a [`Strip`], where it is to outlive
//! this process.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::AsFd;

use aws_lc_rs::digest::{Context, SHA256};

use super::digest::Digest;
use crate::restart::strip::Strip;

/// Bytes of one chunk, at most.
const CHUNK: usize = 16 * 1024;
/// Bytes of a strip that are let go at once: each time costs two calls.
const AT_ONCE: u64 = 64 * 1024;

/// The end of a stream.
pub(super) struct Tail {
    /// Offset of the first byte that is held.
    start: u64,
    /// Bytes of the first chunk that were let go.
    skipped: usize,
    chunks: VecDeque<Vec<u8>>,
    /// Bytes that are held.
    length: usize,
    /// Bytes of memory that the chunks take.
    allocated: usize,
    hasher: Context,
    kept: Option<Kept>,
}

/// A stream that outlives this process. Then there are no chunks.
struct Kept {
    strip: Strip,
    digest: Digest,
    /// Where the strip begins.
    start: u64,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self {
            start: 0,
            skipped: 0,
            chunks: VecDeque::new(),
            length: 0,
            allocated: 0,
            hasher: Context::new(&SHA256),
            kept: None,
        }
    }

    /// Holds in a strip what comes from now on; nothing came yet.
    pub(super) fn keep_in(&mut self, strip: Strip) {
        self.kept = Some(Kept { strip, digest: Digest::new(), start: 0 });
    }

    /// What an earlier process held: where it begins and ends, and the digest of all.
    pub(super) fn again(strip: Strip, start: u64, end: u64, digest: Digest) -> Self {
        let mut tail = Self::new();
        // Below what one process held.
        tail.length = usize::try_from(end - start).unwrap_or(usize::MAX);
        tail.start = start;
        tail.kept = Some(Kept { strip, digest, start });
        tail
    }

    /// Whether it is held in a strip.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Moves at most `most` bytes from a pipe to the strip, and lets the oldest go, so
    /// that `capacity` are held; 0: the pipe has ended.
    pub(super) fn take(
        &mut self,
        pipe: impl AsFd,
        most: usize,
        capacity: usize,
    ) -> io::Result<usize> {
        let end = self.end();
        let Some(Kept { strip, digest, .. }) = &mut self.kept else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let taken = strip.take(pipe, end, most)?;
        self.length += taken;
        let mut bytes = vec![0; taken];
        strip.copy(end, &mut bytes)?;
        digest.update(&bytes);
        self.let_go(self.length.saturating_sub(capacity));
        Ok(taken)
    }

    /// Adds bytes and lets the oldest go, so that `capacity` are held.
    pub(super) fn push(&mut self, bytes: &[u8], capacity: usize) {
        self.hasher.update(bytes);
        // What would be let go at once is not copied.
        let at_once = bytes.len().saturating_sub(capacity);
        let kept = &bytes[at_once..];
        self.let_go((self.length + kept.len()).saturating_sub(capacity));
        if at_once > 0 {
            self.start += at_once as u64;
        }
        self.append(kept);
    }

    /// Lets the oldest bytes go, so that at most `capacity` are held.
    pub(super) fn trim(&mut self, capacity: usize) {
        self.let_go(self.length.saturating_sub(capacity));
    }

    fn append(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            let chunk = match self.chunks.back_mut() {
                Some(chunk) if chunk.len() < CHUNK => chunk,
                last => {
                    // Little output takes little; after that a chunk is whole at once.
                    let whole = if last.is_some() { CHUNK } else { 0 };
                    self.chunks.push_back(Vec::with_capacity(whole));
                    self.allocated += whole;
                    continue;
                }
            };
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - chunk.len()));
            let before = chunk.capacity();
            chunk.extend_from_slice(now);
            self.allocated += chunk.capacity() - before;
            bytes = later;
        }
    }

    fn let_go(&mut self, mut bytes: usize) {
        bytes = bytes.min(self.length);
        self.length -= bytes;
        self.start += bytes as u64;
        if let Some(Kept { strip, digest, start }) = &mut self.kept {
            if self.start - *start >= AT_ONCE || self.length == 0 {
                if let Err(error) = strip.let_go(self.start, digest) {
                    tracing::warn!(%error, "memory of output that is not held cannot be freed");
                }
                *start = self.start;
            }
            return;
        }
        self.skipped += bytes;
        while let Some(first) = self.chunks.front().filter(|first| first.len() <= self.skipped) {
            self.skipped -= first.len();
            self.allocated -= first.capacity();
            self.chunks.pop_front();
        }
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.length as u64
    }

    /// Bytes of memory that it takes.
    pub(super) fn held(&self) -> usize {
        let kept = self.kept.as_ref().map(|kept| self.end() - kept.start);
        kept.map_or(self.allocated, |kept| usize::try_from(kept).unwrap_or(usize::MAX))
    }

    /// How many held bytes lie at or after `offset`.
    pub(super) fn from(&self, offset: u64) -> usize {
        let after = self.end().saturating_sub(offset.max(self.start));
        usize::try_from(after).unwrap_or(usize::MAX)
    }

    /// At most `most` held bytes from `offset` on.
    pub(super) fn copy_from(&self, offset: u64, most: usize) -> Vec<u8> {
        let available = self.from(offset);
        if let Some(Kept { strip, .. }) = &self.kept {
            let mut bytes = vec![0; available.min(most)];
            if let Err(error) = strip.copy(self.end() - available as u64, &mut bytes) {
                tracing::error!(%error, "output that is held cannot be read");
                bytes.clear();
            }
            return bytes;
        }
        let mut skip = self.skipped + self.length - available;
        let mut left = available.min(most);
        let mut bytes = Vec::with_capacity(left);
        for chunk in &self.chunks {
            if left == 0 {
                break;
            }
            if skip >= chunk.len() {
                skip -= chunk.len();
                continue;
            }
            let part = &chunk[skip..chunk.len().min(skip.saturating_add(left))];
            bytes.extend_from_slice(part);
            left -= part.len();
            skip = 0;
        }
        bytes
    }

    pub(super) fn copy(&self, most: usize) -> Vec<u8> {
        self.copy_from(self.start, most)
    }

    /// Gives memory back that no more bytes will need.
    pub(super) fn shrink(&mut self) {
        if let Some(last) = self.chunks.back_mut() {
            let before = last.capacity();
            last.shrink_to_fit();
            self.allocated -= before - last.capacity();
        }
    }

    /// SHA-256 of the stream so far, held or not.
    pub(super) fn digest(&self) -> [u8; 32] {
        if let Some(kept) = &self.kept {
            return kept.digest.finish();
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(self.hasher.clone().finish().as_ref());
        digest
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tail({}..{})", self.start, self.end())
    }
}
