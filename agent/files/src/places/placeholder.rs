//! What stands at a protected path that nobody has made yet: made and removed
//! here, by name in a directory that the caller holds open.
//!
//! Invariant: it says nothing to the programs that look there, and it is removed
//! only while it is still as it was made. An empty directory does both, and git
//! does not see it. Two kinds of git's own files are others: its settings, an
//! empty file, because git takes a directory there for damage; and `commondir`,
//! which says where the settings are (gitrepository-layout(5)): git gives up on
//! an empty one, and one that holds `.` means the directory that it lies in.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, linkat, mkdirat, openat, statat, unlinkat,
};
use rustix::io::{Errno, Result};

/// Git's directory in a tree of files.
const GIT: &str = ".git";

/// Makes the placeholder of `path`, with its name in `parent`; `EEXIST` where
/// something is there.
pub(super) fn make(parent: &OwnedFd, path: &Path) -> Result<()> {
    let name = path.file_name().ok_or(Errno::INVAL)?;
    match file(path) {
        None => mkdirat(parent, name, Mode::from_raw_mode(0o700)),
        Some(b"") => new_file(parent, name).map(drop),
        Some(content) => {
            // Whoever reads it meanwhile finds nothing or all of it.
            let _lock = Lock::take(parent, name, content)?;
            linkat(parent, Lock::name(name), parent, name, AtFlags::empty())
        }
    }
}

/// Removes it; `ENOTEMPTY` where somebody has put it to use.
pub(super) fn remove(parent: &OwnedFd, path: &Path) -> Result<()> {
    let name = path.file_name().ok_or(Errno::INVAL)?;
    let Some(content) = file(path) else {
        return unlinkat(parent, name, AtFlags::REMOVEDIR);
    };
    // As git does it: who holds the lock file changes the settings.
    let _lock = Lock::take(parent, name, b"")?;
    let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if !holds(parent, name, &found, content)? {
        return Err(Errno::NOTEMPTY);
    }
    unlinkat(parent, name, AtFlags::empty())
}

/// What a placeholder that is a file holds; `None`: it is a directory. Whatever
/// lies in `.git` is never committed.
fn file(path: &Path) -> Option<&'static [u8]> {
    let mut parts = path.components().rev();
    let name = parts.next()?.as_os_str().as_bytes();
    if parts.next() != Some(Component::Normal(GIT.as_ref())) {
        return None;
    }
    match name {
        b"commondir" => Some(b".\n"),
        // `config` and `config.worktree`.
        settings if settings.starts_with(b"config") => Some(b""),
        _ => None,
    }
}

fn holds(parent: &OwnedFd, name: &OsStr, found: &Stat, content: &[u8]) -> Result<bool> {
    let regular = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    if !regular || u64::try_from(found.st_size) != Ok(content.len() as u64) {
        return Ok(false);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(openat(parent, name, flags, Mode::empty())?);
    let mut held = Vec::with_capacity(content.len() + 1);
    let read = file.take(content.len() as u64 + 1).read_to_end(&mut held);
    read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(held == content)
}

fn new_file(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(parent, name, flags | OFlags::NOFOLLOW, Mode::from_raw_mode(0o600))
}

/// A file beside the one that is to change, removed again in any case.
struct Lock<'a> {
    parent: &'a OwnedFd,
    name: std::ffi::OsString,
}

impl<'a> Lock<'a> {
    fn name(of: &OsStr) -> std::ffi::OsString {
        let mut lock = of.to_owned();
        lock.push(".lock");
        lock
    }

    /// Takes the lock of `of`, a file with this content; `EEXIST` where somebody
    /// holds it.
    fn take(parent: &'a OwnedFd, of: &OsStr, content: &[u8]) -> Result<Self> {
        let name = Self::name(of);
        let file = new_file(parent, &name)?;
        let lock = Self { parent, name };
        let written = std::fs::File::from(file).write_all(content);
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Ok(lock)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let _ = unlinkat(self.parent, &self.name, AtFlags::empty());
    }
}
