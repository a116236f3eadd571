//! What happened, each path once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_proto::file::v1::{FileChange, FileChanges};
use rustix::fs::inotify::ReadFlags;

use crate::bounds;
use crate::place::Place;

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct Events {
    changes: BTreeMap<PathBuf, FileChange>,
    overflow: bool,
}

impl Events {
    /// Adds what happened to `path`; whether that is a change.
    pub(super) fn add(&mut self, path: PathBuf, flags: ReadFlags) -> bool {
        let created = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        let removed = flags.intersects(
            ReadFlags::DELETE
                | ReadFlags::MOVED_FROM
                | ReadFlags::DELETE_SELF
                | ReadFlags::MOVE_SELF,
        );
        let modified = flags.intersects(ReadFlags::MODIFY | ReadFlags::CLOSE_WRITE);
        let attributes = flags.contains(ReadFlags::ATTRIB);
        if !(created || removed || modified || attributes) {
            return false;
        }
        if self.is_full() && !self.changes.contains_key(&path) {
            self.overflow = true;
            return true;
        }
        let change = self.changes.entry(path).or_default();
        change.created |= created;
        change.removed |= removed;
        change.modified |= modified;
        change.attributes |= attributes;
        true
    }

    /// More happened, or could have, than is told.
    pub(super) fn overflow(&mut self) {
        self.overflow = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.overflow
    }

    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= bounds::CHANGES
    }

    pub(super) fn finish(self, place: &Place) -> FileChanges {
        let Self { changes, overflow } = self;
        let overflow = overflow || changes.len() >= bounds::CHANGES;
        let timed_out = changes.is_empty() && !overflow;
        let changes = changes.into_iter();
        let changes =
            changes.map(|(path, change)| FileChange { path: place.shown(&path), ..change });
        FileChanges { changes: changes.collect(), timed_out, overflow }
    }
}
