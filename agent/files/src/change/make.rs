//! Makes a directory.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

use cofferdam_proto::file::v1::{DirectoryMade, DirectoryMake, FileKind};
use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;

use crate::fault::FileFault;
use crate::place::Workspace;
use crate::seat::Seat;

const OPERATION: &str = "make the directory";

/// Makes it, with its parents where that was asked for.
pub(crate) fn make_directory(
    workspace: &Workspace,
    request: DirectoryMake,
) -> Result<DirectoryMade, FileFault> {
    let DirectoryMake { path, make_parents, mode } = request;
    let place = workspace.place(path)?;
    let mode = match mode {
        0 => 0o755,
        mode if mode & !0o777 == 0 => mode,
        mode => {
            return Err(FileFault::Invalid(format!(
                "mode {mode:o} is not taken: only permission bits up to 777"
            )));
        }
    };
    if make_parents && let Some(parent) = place.full().parent() {
        fs::create_dir_all(parent).map_err(FileFault::io(OPERATION, place.asked()))?;
    }
    let seat = Seat::of(&place, OPERATION)?;
    match mkdirat(seat.directory(), seat.name(), Mode::from_raw_mode(mode)) {
        Ok(()) => {}
        Err(Errno::EXIST) => return there(&seat, make_parents),
        Err(errno) => return Err(FileFault::errno(OPERATION, seat.shown())(errno)),
    }
    // The mask of the process took bits away.
    let exact = fs::set_permissions(place.full(), Permissions::from_mode(mode));
    exact.or_else(gone_is_fine).map_err(FileFault::io(OPERATION, place.asked()))?;
    seat.sync();
    Ok(DirectoryMade { created: true })
}

fn there(seat: &Seat, fine: bool) -> Result<DirectoryMade, FileFault> {
    let path = seat.shown().to_owned();
    match seat.kind(OPERATION)? {
        Some(FileKind::Directory) if fine => Ok(DirectoryMade { created: false }),
        Some(FileKind::Directory) => Err(FileFault::Precondition {
            path,
            problem: "is there already; set make_parents to take it as it is".to_owned(),
        }),
        Some(found) => {
            Err(FileFault::WrongKind { path, found, needed: "nothing, or a directory," })
        }
        None => Err(FileFault::errno(OPERATION, seat.shown())(Errno::NOENT)),
    }
}

fn gone_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
