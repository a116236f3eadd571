//! What was made or changed, since a moment, at places like the protected ones:
//! nested ones, which nothing covers, and those that came to be while a cell was
//! there.
//!
//! What git keeps at protected paths of `.git` it reads in any directory that
//! looks like one of its own, whatever its name: that of a submodule, of a
//! worktree, of a bare repository, one that a `.git` file or a `commondir` names.
//! So those names count there, too, and so does every `.git` that is no directory.
//!
//! Level by level, so that where a bound ends the search, the top of the tree was
//! looked at.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use prost_types::Timestamp;

use crate::bounds;

/// How long it may take: nobody waits for the answer, but a cell is held.
const TIME: Duration = Duration::from_secs(5);

/// Git's directory in a tree of files, or a file that says where it is.
const GIT: &str = ".git";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Appeared {
    /// As seen from the workspace.
    pub(super) paths: BTreeSet<PathBuf>,
    /// A bound ended the search.
    pub(super) truncated: bool,
}

/// A directory on the way: where, and at or beneath which protected place.
struct Directory {
    path: PathBuf,
    place: Option<PathBuf>,
}

/// Looks beneath `root`. What cannot be read is left out.
pub(super) fn since(root: &Path, protected: &[PathBuf], since: &Timestamp) -> Appeared {
    let mut found = Appeared::default();
    if protected.is_empty() {
        return found;
    }
    let deadline = Instant::now() + TIME;
    let mut entries = bounds::APPEARED_VISITED;
    let gits = Gits::of(protected);
    let mut ahead = VecDeque::from([Directory { path: PathBuf::new(), place: None }]);
    while let Some(Directory { path, place }) = ahead.pop_front() {
        let Ok(listing) = std::fs::read_dir(root.join(&path)) else { continue };
        let is_git = gits.are_in(&root.join(&path));
        for entry in listing.flatten() {
            if entries == 0 || found.paths.len() >= bounds::APPEARED || Instant::now() >= deadline {
                found.truncated = true;
                return found;
            }
            entries -= 1;
            // Of the entry itself, not of what a symlink leads to.
            let Ok(metadata) = entry.metadata() else { continue };
            let path = path.join(entry.file_name());
            let is_place = || is_like(protected, &path) || gits.have(&path, &metadata, is_git);
            let place = place.clone().or_else(|| is_place().then(|| path.clone()));
            if let Some(place) = place.as_ref().filter(|_| is_since(&metadata, since)) {
                found.paths.insert(place.clone());
            }
            if metadata.is_dir() {
                ahead.push_back(Directory { path, place });
            }
        }
    }
    found
}

/// What is protected in a `.git`: the names there; none where nothing is.
struct Gits<'a>(BTreeSet<&'a OsStr>);

impl<'a> Gits<'a> {
    fn of(protected: &'a [PathBuf]) -> Self {
        let names = protected.iter().filter_map(|path| path.strip_prefix(GIT).ok());
        Self(names.filter_map(|name| name.components().next()).map(Component::as_os_str).collect())
    }

    /// Whether git would take `directory` for its own (gitrepository-layout(5)).
    fn are_in(&self, directory: &Path) -> bool {
        let has = |name: &str| directory.join(name).symlink_metadata().is_ok();
        !self.0.is_empty() && has("HEAD") && (has("commondir") || has("objects") && has("refs"))
    }

    /// Whether git would read settings at `path` or be led to others by it;
    /// `is_git`: it lies in a directory of git's.
    fn have(&self, path: &Path, metadata: &Metadata, is_git: bool) -> bool {
        let Some(name) = path.file_name() else { return false };
        let leads = !self.0.is_empty() && name == GIT && !metadata.is_dir();
        leads || is_git && self.0.contains(name)
    }
}

/// Whether `path` ends as a protected one does.
fn is_like(protected: &[PathBuf], path: &Path) -> bool {
    // Most names differ in their last part.
    let name = path.file_name().unwrap_or(OsStr::new(""));
    protected.iter().any(|it| it.file_name() == Some(name) && path.ends_with(it))
}

/// By the time of the last change of inode or content, which nobody can set
/// (inode(7), ctime).
fn is_since(metadata: &Metadata, since: &Timestamp) -> bool {
    (metadata.ctime(), metadata.ctime_nsec()) >= (since.seconds, since.nanos.into())
}
