//! A name in a directory that is held open: what makes, moves and removes files
//! acts on it, so that the directory cannot be another one between two steps.
//!
//! The way to the directory is the kernel's to resolve, under the cell's mounts
//! and rules. The name itself is never followed.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use cofferdam_proto::file::v1::FileKind;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fsync, open, statat};
use rustix::io::Errno;

use crate::fault::FileFault;
use crate::place::Place;

/// The name, and its directory.
#[derive(Debug)]
pub(crate) struct Seat {
    directory: OwnedFd,
    name: OsString,
    shown: PathBuf,
}

impl Seat {
    /// `operation` is for the error.
    pub(crate) fn of(place: &Place, operation: &'static str) -> Result<Self, FileFault> {
        let (Some(name), Some(parent)) = (place.full().file_name(), place.full().parent()) else {
            return Err(FileFault::Invalid(format!(
                "cannot {operation} `{}`: it names no file in a directory",
                place.asked().display()
            )));
        };
        let shown = place.asked().to_owned();
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match open(parent, flags | OFlags::RDONLY, Mode::empty()) {
            // Names in a directory can be used where they cannot be listed.
            Err(Errno::ACCESS) => open(parent, flags | OFlags::PATH, Mode::empty()),
            opened => opened,
        };
        let directory = directory.map_err(FileFault::errno(operation, &shown))?;
        Ok(Self { directory, name: name.to_owned(), shown })
    }

    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// As it was asked for.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// What is there now; `None`: nothing.
    pub(crate) fn kind(&self, operation: &'static str) -> Result<Option<FileKind>, FileFault> {
        match statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(kind(FileType::from_raw_mode(stat.st_mode)))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(FileFault::errno(operation, &self.shown)(errno)),
        }
    }

    /// Makes what happened to the name durable, where the directory can be synced.
    pub(crate) fn sync(&self) {
        _ = fsync(&self.directory);
    }
}

/// The wire's word for a kind of file.
pub(crate) fn kind(kind: FileType) -> FileKind {
    match kind {
        FileType::RegularFile => FileKind::Regular,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::BlockDevice => FileKind::BlockDevice,
        FileType::CharacterDevice => FileKind::CharacterDevice,
        FileType::Unknown => FileKind::Unspecified,
    }
}
