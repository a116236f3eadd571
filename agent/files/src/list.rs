//! Lists a directory, level by level, so that a cut listing shows the top of
//! the tree rather than the depths of its first branch.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use cofferdam_proto::file::v1::{DirectoryList, DirectoryListing, FileInfo};

use crate::bounds;
use crate::fault::FileFault;
use crate::info::describe;
use crate::place::{Place, Workspace};
use crate::walk::{self, Budget, Selection};

/// A listing in the making.
struct Listing {
    place: Place,
    entries: Vec<FileInfo>,
    bytes: usize,
    most: usize,
    budget: Budget,
}

/// Lists a directory and what lies beneath, sorted by path within each level.
pub(crate) fn list(
    workspace: &Workspace,
    request: DirectoryList,
) -> Result<DirectoryListing, FileFault> {
    let DirectoryList { path, depth, respect_ignore_files, include_hidden, max_entries } = request;
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
    Ok(DirectoryListing { entries: listing.entries, truncated })
}

fn above(name: &str, limit: u32) -> FileFault {
    FileFault::Invalid(format!("`{name}` is above {limit}"))
}

impl Listing {
    /// Adds the entries of one directory, sorted, and gives its directories.
    /// Nothing once a bound is reached.
    fn add(&mut self, directory: &Path, selection: Selection) -> Option<Vec<PathBuf>> {
        let start = self.entries.len();
        let mut directories = Vec::new();
        let mut complete = true;
        for entry in walk::entries(directory, 1, selection) {
            let room = self.entries.len() < self.most && self.bytes < bounds::ANSWER;
            if !room || !self.budget.take() {
                complete = false;
                break;
            }
            // Gone since it was listed: not there.
            let Ok(metadata) = std::fs::symlink_metadata(entry.path()) else { continue };
            let info = describe(entry.path(), self.place.shown(entry.path()), &metadata);
            self.bytes += info.path.len() + info.symlink_target.len() + 64;
            self.entries.push(info);
            if metadata.is_dir() {
                directories.push(entry.into_path());
            }
        }
        self.entries[start..].sort_by(|a, b| a.path.cmp(&b.path));
        directories.sort();
        complete.then_some(directories)
    }
}
