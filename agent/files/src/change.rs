//! Makes, moves, copies and removes files and directories.
//!
//! Everything acts on names in directories that are held open ([`crate::seat`]).
//! Nothing that is there is replaced unless that was asked for, and never a
//! directory.

mod copy;
mod delete;
mod make;
mod mounts;
mod rename;
mod tree;

pub(crate) use copy::copy;
pub(crate) use delete::delete;
pub(crate) use make::make_directory;
pub(crate) use rename::rename;

use cofferdam_proto::file::v1::FileKind;

use crate::fault::FileFault;
use crate::seat::Seat;

/// Refuses a directory where only a file was asked for.
fn expect_asked(
    seat: &Seat,
    kind: Option<FileKind>,
    recursive: bool,
    operation: &'static str,
) -> Result<FileKind, FileFault> {
    match kind {
        None => Err(FileFault::errno(operation, seat.shown())(rustix::io::Errno::NOENT)),
        Some(FileKind::Directory) if !recursive => {
            Err(FileFault::Directory { path: seat.shown().to_owned(), operation })
        }
        Some(kind) => Ok(kind),
    }
}

/// Refuses to put something where something is, unless it may be replaced.
fn expect_free(seat: &Seat, kind: Option<FileKind>, overwrite: bool) -> Result<bool, FileFault> {
    let path = seat.shown().to_owned();
    match kind {
        None => Ok(false),
        Some(FileKind::Regular | FileKind::Symlink) if overwrite => Ok(true),
        Some(FileKind::Regular | FileKind::Symlink) => Err(FileFault::Precondition {
            path,
            problem: "is there already; set overwrite to replace it".to_owned(),
        }),
        Some(found) => Err(FileFault::WrongKind { path, found, needed: "a file, or nothing," }),
    }
}
