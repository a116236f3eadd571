//! What the kernel says about a file, as the wire's [`FileInfo`].

use std::fs::{self, FileType, Metadata};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use cofferdam_proto::file::v1::{FileInfo, FileKind, FileStat};
use prost_types::Timestamp;

use crate::fault::FileFault;
use crate::place::Workspace;
use crate::write::Target;

/// Describes a file; a symbolic link is described itself.
pub(crate) fn stat(workspace: &Workspace, request: FileStat) -> Result<FileInfo, FileFault> {
    let FileStat { path, digest } = request;
    let place = workspace.place(path)?;
    let metadata =
        fs::symlink_metadata(place.full()).map_err(FileFault::io("look at", place.asked()))?;
    let mut info = describe(place.full(), place.shown(place.full()), &metadata);
    if digest {
        let sha256 = Target::existing(place)?.digest()?;
        info.sha256 = sha256.to_vec();
    }
    Ok(info)
}

/// Describes what `metadata` is of; `shown` is its name in the answer.
pub(crate) fn describe(path: &Path, shown: Vec<u8>, metadata: &Metadata) -> FileInfo {
    let symlink_target = if metadata.is_symlink() {
        fs::read_link(path).map(|t| t.into_os_string().into_vec()).unwrap_or_default()
    } else {
        Vec::new()
    };
    FileInfo {
        path: shown,
        kind: kind(metadata.file_type()).into(),
        size: metadata.len(),
        mode: metadata.mode() & 0o7777,
        modified_at: Some(Timestamp {
            seconds: metadata.mtime(),
            nanos: i32::try_from(metadata.mtime_nsec()).unwrap_or_default(),
        }),
        symlink_target,
        sha256: Vec::new(),
    }
}

/// The wire's word for a kind of file.
pub(crate) fn kind(kind: FileType) -> FileKind {
    if kind.is_file() {
        FileKind::Regular
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_symlink() {
        FileKind::Symlink
    } else if kind.is_fifo() {
        FileKind::Fifo
    } else if kind.is_socket() {
        FileKind::Socket
    } else if kind.is_block_device() {
        FileKind::BlockDevice
    } else if kind.is_char_device() {
        FileKind::CharacterDevice
    } else {
        FileKind::Unspecified
    }
}
