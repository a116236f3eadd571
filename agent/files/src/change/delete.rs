//! Removes a file, a link, or a directory; all that is in it only where that was
//! asked for, and never on another mount.

use std::os::unix::ffi::OsStrExt;

use cofferdam_proto::file::v1::{FileDelete, FileDeleted, FileKind};
use rustix::fs::{AtFlags, FileType, unlinkat};
use rustix::io::Errno;

use super::mounts;
use super::tree::{Level, Limits};
use crate::fault::FileFault;
use crate::place::Workspace;
use crate::seat::Seat;

const OPERATION: &str = "remove";

/// Removes it, and says how much is gone. What cannot be removed half-way is told
/// beside what is gone.
pub(crate) fn delete(workspace: &Workspace, request: FileDelete) -> Result<FileDeleted, FileFault> {
    let FileDelete { path, recursive } = request;
    let place = workspace.place(path)?;
    let seat = Seat::of(&place, OPERATION)?;
    let Some(kind) = seat.kind(OPERATION)? else {
        return Err(FileFault::errno(OPERATION, seat.shown())(Errno::NOENT));
    };
    let mut gone = 0;
    let removed = match kind {
        FileKind::Directory if recursive => {
            if let Some(mount) = mounts::beneath(place.full()) {
                return Err(FileFault::Protected { path: seat.shown().to_owned(), mount });
            }
            remove_tree(&seat, &mut gone)
        }
        FileKind::Directory => remove_empty(&seat, &mut gone),
        _ => unlinkat(seat.directory(), seat.name(), AtFlags::empty())
            .map(|()| gone += 1)
            .map_err(FileFault::errno(OPERATION, seat.shown())),
    };
    seat.sync();
    match removed {
        Ok(()) => Ok(FileDeleted { entries: gone, stopped: None }),
        Err(fault) if gone == 0 => Err(fault),
        Err(fault) => Ok(FileDeleted { entries: gone, stopped: Some(fault.into()) }),
    }
}

fn remove_empty(seat: &Seat, gone: &mut u64) -> Result<(), FileFault> {
    match unlinkat(seat.directory(), seat.name(), AtFlags::REMOVEDIR) {
        Ok(()) => {
            *gone += 1;
            Ok(())
        }
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(FileFault::Precondition {
            path: seat.shown().to_owned(),
            problem: "is a directory that is not empty; set recursive to remove all that is in it"
                .to_owned(),
        }),
        Err(errno) => Err(FileFault::errno(OPERATION, seat.shown())(errno)),
    }
}

fn remove_tree(seat: &Seat, gone: &mut u64) -> Result<(), FileFault> {
    let mut limits = Limits::new(OPERATION);
    let shown = seat.shown().to_owned();
    let top = Level::open(seat.directory(), seat.name(), shown, 0, &limits)?;
    let mount = top.mount();
    clear(&top, mount, 1, &mut limits, gone)?;
    drop(top);
    remove_empty(seat, gone)
}

/// Removes all that is in `level`.
fn clear(
    level: &Level,
    mount: u64,
    depth: usize,
    limits: &mut Limits,
    gone: &mut u64,
) -> Result<(), FileFault> {
    if level.mount() != mount {
        let path = level.shown().to_owned();
        return Err(FileFault::Protected { path: path.clone(), mount: path });
    }
    for (name, kind) in level.entries(limits)? {
        let path = level.path_of(&name);
        let flags = if kind == FileType::Directory {
            let os_name = std::ffi::OsStr::from_bytes(name.as_bytes());
            let inner = Level::open(level.fd(), os_name, path.clone(), depth, limits)?;
            clear(&inner, mount, depth + 1, limits, gone)?;
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        match unlinkat(level.fd(), &name, flags) {
            Ok(()) => *gone += 1,
            // Somebody else was faster.
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(FileFault::errno(OPERATION, &path)(errno)),
        }
    }
    Ok(())
}
