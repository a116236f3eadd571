//! Lists a directory, level by level, so that a cut listing shows the top of
//! the tree rather than the depths of its first branch. The order is always the
//! same, so that a next page goes on where the one before ended.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use cofferdam_proto::file::v1::{DirectoryList, DirectoryListing, FileInfo};
use ignore::DirEntry;

use crate::bounds;
use crate::fault::FileFault;
use crate::info::describe;
use crate::place::{Place, Workspace};
use crate::walk::{self, Budget, Selection};

/// A listing in the making.
struct Listing {
    place: Place,
    /// The entry after which it begins, until that was met.
    after: Option<Vec<u8>>,
    entries: Vec<FileInfo>,
    bytes: usize,
    most: usize,
    budget: Budget,
}

/// Lists a directory and what lies beneath, sorted by path within each directory.
pub(crate) fn list(
    workspace: &Workspace,
    request: DirectoryList,
) -> Result<DirectoryListing, FileFault> {
    let DirectoryList { path, depth, respect_ignore_files, include_hidden, max_entries, after } =
        request;
    let depth = match depth {
        0 => 1,
        depth if depth <= bounds::DEPTH => depth,
        _ => return Err(above("depth", bounds::DEPTH)),
    };
    let most = match max_entries {
        0 => bounds::ENTRIES_DEFAULT,
        most if most <= bounds::ENTRIES => most,
        _ => return Err(above("max_entries", bounds::ENTRIES)),
    };
    let place = workspace.place(path)?;
    walk::expect_directory(&place, "list")?;
    let selection = Selection { respect_ignore_files, include_hidden };
    let mut directories = VecDeque::from([(place.full().to_owned(), 1)]);
    let mut listing = Listing {
        place,
        after: (!after.is_empty()).then_some(after),
        entries: Vec::new(),
        bytes: 0,
        most: most as usize,
        budget: Budget::new(),
    };
    let mut truncated = false;
    while let Some((directory, level)) = directories.pop_front() {
        let Some(beneath) = listing.add(&directory, selection) else {
            truncated = true;
            break;
        };
        if level < depth {
            directories.extend(beneath.into_iter().map(|directory| (directory, level + 1)));
        }
    }
    if let Some(after) = listing.after {
        return Err(FileFault::Invalid(format!(
            "the entry `{}`, after which this page begins, is not there any more; list from the \
             begin again",
            String::from_utf8_lossy(&after)
        )));
    }
    let last = listing.entries.last().filter(|_| truncated);
    let next = last.map(|info| info.path.clone()).unwrap_or_default();
    Ok(DirectoryListing { entries: listing.entries, truncated, next })
}

fn above(name: &str, limit: u32) -> FileFault {
    FileFault::Invalid(format!("`{name}` is above {limit}"))
}

impl Listing {
    /// Adds the entries of one directory, sorted, and gives its directories.
    /// Nothing once a bound is reached.
    fn add(&mut self, directory: &Path, selection: Selection) -> Option<Vec<PathBuf>> {
        let mut found: Vec<DirEntry> = Vec::new();
        for entry in walk::entries(directory, 1, selection) {
            if !self.budget.take() {
                return None;
            }
            found.push(entry);
        }
        found.sort_by(|one, other| one.file_name().cmp(other.file_name()));
        let mut directories = Vec::new();
        for entry in found {
            let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            if let Some(after) = &self.after {
                if self.place.shown(entry.path()) == *after {
                    self.after = None;
                }
            } else if self.entries.len() >= self.most || self.bytes >= bounds::ANSWER {
                return None;
            } else if let Ok(metadata) = std::fs::symlink_metadata(entry.path()) {
                // One that is gone since it was listed is not there.
                let info = describe(entry.path(), self.place.shown(entry.path()), &metadata);
                self.bytes += info.path.len() + info.symlink_target.len() + 64;
                self.entries.push(info);
            }
            if is_directory {
                directories.push(entry.into_path());
            }
        }
        Some(directories)
    }
}
