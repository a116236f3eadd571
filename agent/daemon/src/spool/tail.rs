//! The last bytes of a stream, with the digest of all of it.

use std::collections::VecDeque;
use std::fmt;

use aws_lc_rs::digest::{Context, Digest, SHA256};

/// The end of a stream.
pub(super) struct Tail {
    /// Offset of the first byte that is held.
    start: u64,
    bytes: VecDeque<u8>,
    hasher: Context,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self { start: 0, bytes: VecDeque::new(), hasher: Context::new(&SHA256) }
    }

    /// Adds bytes and lets the oldest go, so that `capacity` are held.
    pub(super) fn push(&mut self, bytes: &[u8], capacity: usize) {
        self.hasher.update(bytes);
        // What would be let go at once is not copied.
        let skipped = bytes.len().saturating_sub(capacity);
        let kept = &bytes[skipped..];
        let room = capacity - kept.len();
        let dropped = self.bytes.len().saturating_sub(room);
        self.bytes.drain(..dropped);
        self.bytes.extend(kept);
        self.start += (dropped + skipped) as u64;
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// How many held bytes lie at or after `offset`.
    pub(super) fn from(&self, offset: u64) -> usize {
        let after = self.end().saturating_sub(offset.max(self.start));
        usize::try_from(after).unwrap_or(usize::MAX)
    }

    /// At most `most` held bytes from `offset` on.
    pub(super) fn copy_from(&self, offset: u64, most: usize) -> Vec<u8> {
        let skip = self.bytes.len() - self.from(offset).min(self.bytes.len());
        let end = skip.saturating_add(most).min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let part = |slice: &[u8], before: usize| {
            let at = |index: usize| index.saturating_sub(before).min(slice.len());
            slice[at(skip)..at(end)].to_vec()
        };
        let mut bytes = part(front, 0);
        bytes.extend(part(back, front.len()));
        bytes
    }

    pub(super) fn copy(&self, most: usize) -> Vec<u8> {
        self.copy_from(self.start, most)
    }

    /// Gives memory back that no more bytes will need.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// SHA-256 of the stream so far, held or not.
    pub(super) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tail({}..{})", self.start, self.end())
    }
}
