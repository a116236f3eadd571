//! Going down a tree on descriptors: each directory is opened beneath the one
//! before, no link is followed, and an end comes by number, depth and time.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags, openat, statat, statx};
use rustix::io::Errno;

use crate::bounds;
use crate::fault::FileFault;

/// A directory of the tree that is open.
pub(super) struct Level {
    fd: OwnedFd,
    /// For messages.
    shown: PathBuf,
}

/// What is left of the bounds of one operation.
pub(super) struct Limits {
    entries: usize,
    deadline: Instant,
    operation: &'static str,
}

impl Limits {
    pub(super) fn new(operation: &'static str) -> Self {
        let deadline = Instant::now() + bounds::TIME;
        Self { entries: bounds::VISITED, deadline, operation }
    }

    /// Takes one entry.
    pub(super) fn take(&mut self, shown: &Path) -> Result<(), FileFault> {
        self.entries = self.entries.saturating_sub(1);
        let late = Instant::now() >= self.deadline;
        if self.entries > 0 && !late {
            return Ok(());
        }
        let why = if late {
            format!("took longer than {} s", bounds::TIME.as_secs())
        } else {
            format!("met more than {} entries", bounds::VISITED)
        };
        Err(FileFault::Stopped { operation: self.operation, path: shown.to_owned(), why })
    }
}

impl Level {
    /// Opens the directory `name` of `parent`, which must be one itself.
    pub(super) fn open(
        parent: BorrowedFd<'_>,
        name: &OsStr,
        shown: PathBuf,
        depth: usize,
        limits: &Limits,
    ) -> Result<Self, FileFault> {
        if depth > bounds::TREE_DEPTH {
            return Err(FileFault::Stopped {
                operation: limits.operation,
                path: shown,
                why: format!("met more than {} levels of directories", bounds::TREE_DEPTH),
            });
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(parent, name, flags, Mode::empty())
            .map_err(FileFault::errno(limits.operation, &shown))?;
        Ok(Self { fd, shown })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    /// What is in it, sorted, with its kind.
    pub(super) fn entries(
        &self,
        limits: &mut Limits,
    ) -> Result<Vec<(CString, FileType)>, FileFault> {
        let fault = |errno| FileFault::errno(limits.operation, &self.shown)(errno);
        let directory = Dir::read_from(&self.fd).map_err(fault)?;
        let mut entries = Vec::new();
        for entry in directory {
            let entry =
                entry.map_err(|errno| FileFault::errno(limits.operation, &self.shown)(errno))?;
            let name = entry.file_name().to_owned();
            if matches!(name.as_bytes(), b"." | b"..") {
                continue;
            }
            limits.take(&self.shown)?;
            let kind = match entry.file_type() {
                FileType::Unknown => match statat(&self.fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => {
                        return Err(FileFault::errno(limits.operation, &self.shown)(errno));
                    }
                },
                known => known,
            };
            entries.push((name, kind));
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(entries)
    }

    pub(super) fn path_of(&self, name: &CString) -> PathBuf {
        self.shown.join(OsStr::from_bytes(name.as_bytes()))
    }

    /// On which mount it is; see statx(2). Zero where the kernel does not say.
    pub(super) fn mount(&self) -> u64 {
        let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
        let stat = statx(&self.fd, c"", flags, StatxFlags::MNT_ID | StatxFlags::BASIC_STATS);
        stat.map_or(0, |stat| stat.stx_mnt_id)
    }
}
