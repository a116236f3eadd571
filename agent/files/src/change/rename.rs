//! Moves a file: another name, within one file system.

use std::fs;

use cofferdam_proto::file::v1::{FileKind, FileMove, FileMoved};
use rustix::fs::{AtFlags, RenameFlags, linkat, renameat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::{expect_asked, expect_free};
use crate::fault::FileFault;
use crate::info::describe;
use crate::place::Workspace;
use crate::seat::Seat;

const OPERATION: &str = "move";

/// Moves it. That nothing is replaced unasked is held by the kernel.
pub(crate) fn rename(workspace: &Workspace, request: FileMove) -> Result<FileMoved, FileFault> {
    let FileMove { from, to, overwrite, recursive } = request;
    let (from, place) = (workspace.place(from)?, workspace.place(to)?);
    let (old, new) = (Seat::of(&from, OPERATION)?, Seat::of(&place, OPERATION)?);
    let kind = expect_asked(&old, old.kind(OPERATION)?, recursive, OPERATION)?;
    let replaced = expect_free(&new, new.kind(OPERATION)?, overwrite)?;
    if replaced && kind == FileKind::Directory {
        return Err(FileFault::WrongKind {
            path: new.shown().to_owned(),
            found: FileKind::Regular,
            needed: "nothing, where a directory goes,",
        });
    }
    let moved = if overwrite && kind != FileKind::Directory {
        renameat(old.directory(), old.name(), new.directory(), new.name())
    } else {
        without_replacing(&old, &new, kind)
    };
    moved.map_err(|errno| refusal(errno, &old, &new))?;
    new.sync();
    old.sync();
    let metadata =
        fs::symlink_metadata(place.full()).map_err(FileFault::io("look at", place.asked()))?;
    let info = Some(describe(place.full(), place.shown(place.full()), &metadata));
    Ok(FileMoved { info, replaced })
}

fn without_replacing(old: &Seat, new: &Seat, kind: FileKind) -> rustix::io::Result<()> {
    let (from, to) = (old.directory(), new.directory());
    match renameat_with(from, old.name(), to, new.name(), RenameFlags::NOREPLACE) {
        // Not every file system knows the flag; a hard link refuses, too.
        Err(Errno::INVAL | Errno::NOSYS) if kind == FileKind::Regular => {
            linkat(from, old.name(), to, new.name(), AtFlags::empty())?;
            unlinkat(from, old.name(), AtFlags::empty())
        }
        renamed => renamed,
    }
}

fn refusal(errno: Errno, old: &Seat, new: &Seat) -> FileFault {
    let precondition = |path: &Seat, problem: &str| FileFault::Precondition {
        path: path.shown().to_owned(),
        problem: problem.to_owned(),
    };
    match errno {
        Errno::EXIST => precondition(new, "is there already; set overwrite to replace it"),
        Errno::XDEV => FileFault::Invalid(format!(
            "`{}` and `{}` lie on different file systems or mounts; copy it, and delete the old one",
            old.shown().display(),
            new.shown().display()
        )),
        Errno::INVAL => {
            FileFault::Invalid(format!("`{}` cannot be moved into itself", old.shown().display()))
        }
        errno => FileFault::errno(OPERATION, old.shown())(errno),
    }
}
