//! Opens regular files, and only those, without ever blocking.
//!
//! Opening a FIFO waits for its other end and opening a device can do things,
//! so the kind is asked for first. Somebody may swap the file in between: the
//! open does not block either, and the descriptor is asked again.

use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cofferdam_proto::file::v1::FileKind;
use rustix::fs::OFlags;

use crate::fault::FileFault;
use crate::info::kind;

/// Opens a regular file with `options`; follows symbolic links.
pub(crate) fn regular(
    operation: &'static str,
    path: &Path,
    shown: &Path,
    options: &mut OpenOptions,
) -> Result<(File, Metadata), FileFault> {
    let before = fs::metadata(path).map_err(FileFault::io(operation, shown))?;
    expect_regular(&before, shown)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(FileFault::io(operation, shown))?;
    let metadata = file.metadata().map_err(FileFault::io(operation, shown))?;
    expect_regular(&metadata, shown)?;
    Ok((file, metadata))
}

/// Opens what a directory says is a regular file, if it still is one. A link is
/// not followed.
pub(crate) fn known_regular(path: &Path) -> std::io::Result<(File, u64)> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    Ok((file, metadata.len()))
}

/// Refuses everything but a regular file.
pub(crate) fn expect_regular(metadata: &Metadata, shown: &Path) -> Result<(), FileFault> {
    match kind(metadata.file_type()) {
        FileKind::Regular => Ok(()),
        found => {
            Err(FileFault::WrongKind { path: shown.to_owned(), found, needed: "a regular file" })
        }
    }
}
