//! Why a file operation failed, in words for the one who asked, and as the
//! wire's [`FileError`].

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_proto::file::v1::{FileError, FileErrorKind, FileKind};
use rustix::io::Errno;

/// Why a file operation failed.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// The kernel said no.
    #[error("cannot {operation} `{}`: {errno}{}", path.display(), hint(*errno))]
    System {
        /// The operation.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        errno: Errno,
    },
    /// Another kind of file than the operation needs.
    #[error("`{}` is {}; {needed} is needed", path.display(), kind_name(*found))]
    WrongKind {
        /// On what.
        path: PathBuf,
        /// What it is.
        found: FileKind,
        /// What is needed.
        needed: &'static str,
    },
    /// A precondition does not hold; nothing was changed.
    #[error("`{}` {problem}; nothing was written", path.display())]
    Precondition {
        /// On what.
        path: PathBuf,
        /// What does not hold, and what to do.
        problem: String,
    },
    /// It is not, or no longer, what was to be read.
    #[error("`{}` {problem}", path.display())]
    Changed {
        /// On what.
        path: PathBuf,
        /// What happened, and what to do.
        problem: String,
    },
    /// An edit does not fit what is there; nothing was changed.
    #[error("`{}` {problem}", path.display())]
    Unmatched {
        /// On what.
        path: PathBuf,
        /// What does not fit, what is there, and what to do.
        problem: String,
    },
    /// More bytes than are taken.
    #[error("`{}` has {actual} bytes; {operation} takes at most {limit}", path.display())]
    TooLarge {
        /// The operation.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// How many there are.
        actual: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// A directory where only a file was asked for.
    #[error(
        "`{}` is a directory; set recursive to {operation} it with all that is in it",
        path.display()
    )]
    Directory {
        /// On what.
        path: PathBuf,
        /// The operation.
        operation: &'static str,
    },
    /// A mount lies in what is to go: the profile protects it, or it is another
    /// file system.
    #[error(
        "cannot remove `{}`: `{}` is mounted there, because this session's profile protects it or \
         it is another file system; remove what lies beside it one by one",
        path.display(),
        mount.display()
    )]
    Protected {
        /// On what.
        path: PathBuf,
        /// The mount.
        mount: PathBuf,
    },
    /// An end by number, depth or time.
    #[error(
        "to {operation} `{}` {why}, which is as much as one call does; do it in parts",
        path.display()
    )]
    Stopped {
        /// The operation.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// Which end.
        why: String,
    },
    /// The workspace was removed or moved away while the session was there.
    #[error(
        "the workspace `{}` is not there any more: it was removed or moved on the host; have it made \
         again, and call again",
        _0.display()
    )]
    NoWorkspace(PathBuf),
    /// The request means nothing.
    #[error("{0}")]
    Invalid(String),
}

impl FileFault {
    /// For `map_err` on system calls.
    pub(crate) fn errno(operation: &'static str, path: &Path) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::System { operation, path: path.to_owned(), errno }
    }

    /// For `map_err` on the standard library's file functions.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            Self::System { operation, path: path.to_owned(), errno }
        }
    }
}

impl From<FileFault> for FileError {
    fn from(fault: FileFault) -> Self {
        let (kind, errno) = match &fault {
            FileFault::System { errno, .. } => (kind_of(*errno), errno.raw_os_error()),
            FileFault::WrongKind { .. } | FileFault::Directory { .. } => {
                (FileErrorKind::WrongKind, 0)
            }
            FileFault::Precondition { .. } | FileFault::Changed { .. } => {
                (FileErrorKind::PreconditionFailed, 0)
            }
            FileFault::NoWorkspace(_) => (FileErrorKind::NotFound, Errno::NOENT.raw_os_error()),
            FileFault::Protected { .. } => (FileErrorKind::PermissionDenied, 0),
            FileFault::Unmatched { .. } => (FileErrorKind::Unmatched, 0),
            FileFault::TooLarge { .. } | FileFault::Stopped { .. } => (FileErrorKind::TooLarge, 0),
            FileFault::Invalid(_) => (FileErrorKind::Invalid, 0),
        };
        Self { kind: kind.into(), errno, message: fault.to_string() }
    }
}

fn kind_of(errno: Errno) -> FileErrorKind {
    match errno {
        Errno::NOENT => FileErrorKind::NotFound,
        // What is protected is a mount, which is busy for whoever would remove it.
        // An owner whom the cell's mount does not map is EOVERFLOW to it.
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::BUSY | Errno::OVERFLOW => {
            FileErrorKind::PermissionDenied
        }
        Errno::ISDIR | Errno::NOTDIR | Errno::NXIO | Errno::NOTEMPTY => FileErrorKind::WrongKind,
        Errno::EXIST => FileErrorKind::PreconditionFailed,
        Errno::FBIG => FileErrorKind::TooLarge,
        Errno::NOSPC | Errno::DQUOT => FileErrorKind::NoSpace,
        Errno::NAMETOOLONG | Errno::LOOP | Errno::INVAL | Errno::ILSEQ => FileErrorKind::Invalid,
        _ => FileErrorKind::Io,
    }
}

fn hint(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS | Errno::PERM => {
            "; it lies outside of what this session may reach, or its owner does not allow it"
        }
        Errno::OVERFLOW => "; it belongs to another user than the workspace",
        Errno::BUSY => "; it is mounted there, because this session's profile protects it",
        Errno::ROFS => "; this place is read-only here: write beneath the workspace",
        Errno::NOENT => "; check the spelling, or list the directory that should hold it",
        Errno::LOOP => "; its symbolic links go round in a circle",
        Errno::NAMETOOLONG => "; a name has at most 255 bytes, a path 4095",
        Errno::FBIG => "; the session's limit on file size is reached",
        _ => "",
    }
}

fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Unspecified => "of an unknown kind",
        FileKind::Regular => "a regular file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::Fifo => "a FIFO",
        FileKind::Socket => "a socket",
        FileKind::BlockDevice => "a block device",
        FileKind::CharacterDevice => "a character device",
    }
}
