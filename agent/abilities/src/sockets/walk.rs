//! A short walk through a directory for socket files: bounded in depth and
//! entries, never across a link, so that neither a huge tree nor a circle holds
//! it up.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Directories below the first.
const DEPTH: usize = 3;
/// Entries that are looked at, in all.
const ENTRIES: usize = 5_000;

/// The socket files beneath `root` that the walk reaches.
pub(super) fn sockets(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = vec![(root.to_owned(), 0)];
    let mut left = ENTRIES;
    while let Some((directory, depth)) = next.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            if left == 0 {
                return found;
            }
            left -= 1;
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_socket() {
                found.push(entry.path());
            } else if kind.is_dir() && depth < DEPTH {
                next.push((entry.path(), depth + 1));
            }
        }
    }
    found
}

/// Whether a socket file is at `path`; a link to one is none.
pub(super) fn is_socket(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_links_and_a_missing_directory_end_the_walk() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("again")).unwrap();
        assert!(sockets(dir.path()).is_empty());
        assert!(sockets(Path::new("/nowhere")).is_empty());
    }
}
