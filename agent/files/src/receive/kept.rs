//! Uploads that broke off: a few, for a while, for whoever goes on with the same.
//!
//! They are files without a name, held open by this process: with it they go.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Partial;
use crate::bounds;

/// Which upload it is: the same size and content for the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Which {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) sha256: [u8; 32],
}

/// Those that are kept, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Vec<One>>);

#[derive(Debug)]
struct One {
    which: Which,
    partial: Partial,
    since: Instant,
}

impl Kept {
    /// Gives it to whoever goes on with it.
    pub(crate) fn take(&self, which: &Which) -> Option<Partial> {
        let mut all = self.lock();
        let found = all.iter().position(|one| one.which == *which)?;
        Some(all.remove(found).partial)
    }

    /// Keeps it; the oldest makes room.
    pub(crate) fn put(&self, which: Which, partial: Partial) {
        let mut all = self.lock();
        // Of two attempts at the same upload the one that came further is of use.
        if let Some(found) = all.iter().position(|one| one.which == which) {
            let other = all.remove(found);
            if other.partial.bytes > partial.bytes {
                return all.push(other);
            }
        }
        if all.len() >= bounds::KEPT {
            all.remove(0);
        }
        all.push(One { which, partial, since: Instant::now() });
    }

    /// Lets go of those that nobody went on with.
    pub(crate) fn expire(&self) {
        self.lock().retain(|one| one.since.elapsed() < bounds::KEPT_FOR);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<One>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
