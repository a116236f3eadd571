//! Walking directories within bounds: no links followed, no ignore file read
//! unless asked for, an end by number and by time.

use std::path::Path;
use std::time::Instant;

use ignore::types::Types;
use ignore::{DirEntry, WalkBuilder};

use crate::bounds;
use crate::fault::FileFault;
use crate::place::Place;

/// Which entries a walk leaves out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection {
    pub(crate) respect_ignore_files: bool,
    pub(crate) include_hidden: bool,
}

/// What is left of a walk's bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    entries: usize,
    deadline: Instant,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { entries: bounds::VISITED, deadline: Instant::now() + bounds::TIME }
    }

    /// Takes one entry; false once nothing is left.
    pub(crate) fn take(&mut self) -> bool {
        self.entries = self.entries.saturating_sub(1);
        self.entries > 0 && !self.is_late()
    }

    pub(crate) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// The entries beneath `root`, down to `depth` levels, without `root` itself.
/// What cannot be read is left out.
pub(crate) fn entries(
    root: &Path,
    depth: usize,
    selection: Selection,
) -> impl Iterator<Item = DirEntry> {
    walk(&builder(root, depth, selection))
}

/// The same, each directory sorted by name, and of files only those of `types`.
pub(crate) fn sorted(
    root: &Path,
    depth: usize,
    selection: Selection,
    types: Option<Types>,
) -> impl Iterator<Item = DirEntry> {
    let mut builder = builder(root, depth, selection);
    builder.sort_by_file_name(Ord::cmp);
    if let Some(types) = types {
        builder.types(types);
    }
    walk(&builder)
}

fn builder(root: &Path, depth: usize, selection: Selection) -> WalkBuilder {
    let Selection { respect_ignore_files: respect, include_hidden } = selection;
    let mut builder = WalkBuilder::new(root);
    builder
        .max_depth(Some(depth))
        .hidden(!include_hidden)
        .parents(respect)
        .ignore(respect)
        .git_ignore(respect)
        .git_exclude(respect)
        .git_global(false)
        .require_git(false)
        .follow_links(false);
    builder
}

fn walk(builder: &WalkBuilder) -> impl Iterator<Item = DirEntry> + use<> {
    builder.build().filter_map(Result::ok).filter(|entry| entry.depth() > 0)
}

/// Fails where `place` is not a directory that can be read.
pub(crate) fn expect_directory(place: &Place, operation: &'static str) -> Result<(), FileFault> {
    // Reading a directory's first entries tells all that can go wrong.
    match std::fs::read_dir(place.full()) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            let metadata =
                std::fs::metadata(place.full()).map_err(FileFault::io(operation, place.asked()))?;
            let found = crate::info::kind(metadata.file_type());
            let path = place.asked().to_owned();
            Err(FileFault::WrongKind { path, found, needed: "a directory" })
        }
        Err(error) => Err(FileFault::io(operation, place.asked())(error)),
    }
}
