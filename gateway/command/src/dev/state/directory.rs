//! An open directory: what is done in it follows no symlink and cannot be led
//! elsewhere.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fchown, fstat, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use crate::dev::standing::Standing;

/// A file that says whose directory this is, and that whoever uses it locks.
const MARK: &str = "cofferdam-dev";
const NEW_MARK: &str = "cofferdam-dev.new";
const MARK_TEXT: &str =
    "State of `cofferdam dev`. Remove the whole directory when it does not run.\n";

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory(OwnedFd);

/// What came of claiming a directory.
#[derive(Debug)]
pub(super) enum Claim {
    /// It is ours as long as this is open.
    Ours(File),
    /// It is another one's now.
    InUse,
    /// It is for something else.
    SomethingElse,
}

impl Directory {
    pub(super) fn open(at: impl AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(at, path, flags, Mode::empty()).map(Self)
    }

    /// Opens a subdirectory; makes it where it is missing.
    pub(super) fn make(&self, name: &str) -> rustix::io::Result<Self> {
        match mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Self::open(&self.0, name),
            Err(errno) => Err(errno),
        }
    }

    /// Gives it to whom agent and gateway run as.
    pub(super) fn give(&self, standing: Standing) -> rustix::io::Result<()> {
        match standing {
            Standing::Root { uid, gid } => {
                fchown(&self.0, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            }
            Standing::Ordinary { .. } => Ok(()),
        }
    }

    /// The uid that it belongs to.
    pub(super) fn owner(&self) -> rustix::io::Result<u32> {
        fstat(&self.0).map(|stat| stat.st_uid)
    }

    /// Whether its group or everybody may change it.
    pub(super) fn others_can_write(&self) -> rustix::io::Result<bool> {
        fstat(&self.0).map(|stat| stat.st_mode & 0o022 != 0)
    }

    /// A new file that everybody may read, in place of what had the name.
    pub(super) fn replace(&self, name: &str) -> rustix::io::Result<File> {
        match unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(&self.0, name, flags, Mode::from_raw_mode(0o644)).map(File::from)
    }

    /// Locks a directory that is marked, and marks and locks an empty one.
    pub(super) fn claim(&self) -> rustix::io::Result<Claim> {
        match self.lock() {
            Err(Errno::NOENT) => {}
            claimed => return claimed,
        }
        for entry in Dir::read_from(&self.0)? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(Claim::SomethingElse);
            }
        }
        // Locked before it has its name: whoever finds it finds it locked.
        let mut mark = self.replace(NEW_MARK)?;
        mark.try_lock().map_err(|_| Errno::IO)?;
        mark.write_all(MARK_TEXT.as_bytes()).map_err(|_| Errno::IO)?;
        renameat(&self.0, NEW_MARK, &self.0, MARK)?;
        Ok(Claim::Ours(mark))
    }

    /// Locks a directory that is marked.
    pub(super) fn lock(&self) -> rustix::io::Result<Claim> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mark = openat(&self.0, MARK, flags, Mode::empty()).map(File::from)?;
        match mark.try_lock() {
            Ok(()) => Ok(Claim::Ours(mark)),
            Err(TryLockError::WouldBlock) => Ok(Claim::InUse),
            Err(TryLockError::Error(_)) => Err(Errno::IO),
        }
    }
}
