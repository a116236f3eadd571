//! The directory that a cell took for its workspace.
//!
//! A cell holds the directory itself, whatever becomes of its path. Where it was
//! removed or moved away, perhaps for another one in its place (a fresh clone), what
//! calls write there would be lost: such a cell is over ([`super::built`]), and the
//! next call has one built, or is told that there is no workspace.

use std::path::{Path, PathBuf};

use cofferdam_plan::CellPlan;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;

/// A directory, and the path that led to it.
#[derive(Debug)]
pub(super) struct Site {
    path: PathBuf,
    /// `None` where the agent may not look.
    inode: Option<Inode>,
}

/// Device and number. A cell holds its directory, so the number is not given again.
type Inode = (u32, u32, u64);

impl Site {
    /// The workspace of a cell that is about to be built.
    pub(super) fn of(plan: &CellPlan) -> Self {
        let path = plan.workspace.path.as_path().to_owned();
        Self { inode: look(&path).ok(), path }
    }

    /// For a log.
    pub(super) fn kept(&self) -> Vec<u64> {
        let words = |(major, minor, inode)| vec![u64::from(major), u64::from(minor), inode];
        self.inode.map(words).unwrap_or_default()
    }

    /// The workspace of a cell of a log.
    pub(super) fn again(plan: &CellPlan, kept: &[u64]) -> Self {
        let path = plan.workspace.path.as_path().to_owned();
        let number = |word: u64| u32::try_from(word).ok();
        let inode = match *kept {
            [major, minor, inode] => number(major).zip(number(minor)).map(|(a, b)| (a, b, inode)),
            _ => None,
        };
        Self { path, inode }
    }

    /// Whether the path still leads there, as far as the agent may look.
    pub(super) fn is_there(&self) -> bool {
        let Some(inode) = self.inode else { return true };
        match look(&self.path) {
            Ok(now) => now == inode,
            Err(error) => !matches!(error, Errno::NOENT | Errno::NOTDIR),
        }
    }
}

/// Asks what the kernel knows, and no file system's other end, which may be silent.
fn look(path: &Path) -> Result<Inode, Errno> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    let found = statx(CWD, path, flags, StatxFlags::INO)?;
    Ok((found.stx_dev_major, found.stx_dev_minor, found.stx_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(path: &Path) -> Site {
        Site { path: path.to_owned(), inode: look(path).ok() }
    }

    #[test]
    fn a_directory_that_was_removed_or_replaced_is_not_there_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("workspace");
        std::fs::create_dir(&path).unwrap();
        // As a cell does.
        let _held = std::fs::File::open(&path).unwrap();
        let site = site(&path);
        assert!(site.is_there());
        std::fs::write(path.join("file"), "").unwrap();
        assert!(site.is_there());
        std::fs::remove_dir_all(&path).unwrap();
        assert!(!site.is_there());
        std::fs::create_dir(&path).unwrap();
        assert!(!site.is_there());
    }

    #[test]
    fn what_could_not_be_looked_at_is_taken_as_it_is() {
        assert!(site(Path::new("/not/there")).is_there());
    }
}
