//! One page of matches, in the order in which they are added.

use cofferdam_proto::file::v1::{SearchMatch, SearchResult};

use super::found::Found;
use crate::bounds;

/// A page in the making.
#[derive(Debug)]
pub(super) struct Page {
    skip: usize,
    most: usize,
    /// Matches that were there, skipped ones too.
    seen: usize,
    matches: Vec<SearchMatch>,
    bytes: usize,
    files: u64,
    truncated: bool,
}

impl Page {
    pub(super) fn new(skip: usize, most: usize) -> Self {
        let matches = Vec::new();
        Self { skip, most, seen: 0, matches, bytes: 0, files: 0, truncated: false }
    }

    /// Matches that this page can be made of, one more included, which tells that
    /// there is another page.
    pub(super) fn reach(&self) -> usize {
        self.skip + self.most + 1
    }

    /// Adds a match; false once there is no room.
    pub(super) fn push(&mut self, found: SearchMatch) -> bool {
        if self.seen < self.skip {
            self.seen += 1;
            return true;
        }
        if self.matches.len() >= self.most || self.bytes >= bounds::ANSWER {
            self.truncated = true;
            return false;
        }
        self.seen += 1;
        self.bytes += found.path.len() + found.text.len() + 32;
        self.bytes += found.before.iter().chain(&found.after).map(|it| it.len() + 8).sum::<usize>();
        self.matches.push(found);
        true
    }

    /// Adds what was found in one file; false once there is no room.
    pub(super) fn add(&mut self, found: Found) -> bool {
        self.files += 1;
        self.truncated |= found.is_cut();
        found.into_matches().into_iter().all(|found| self.push(found))
    }

    /// Not everything was searched.
    pub(super) fn cut(&mut self) {
        self.truncated = true;
    }

    pub(super) fn finish(self) -> SearchResult {
        let Self { matches, files, truncated, seen, .. } = self;
        let next = if truncated && !matches.is_empty() { seen as u64 } else { 0 };
        SearchResult { matches, truncated, files_searched: files, next }
    }
}
