//! Reads a range of a regular file.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};

use cofferdam_proto::file::v1::{FileContent, FileRead};
use sha2::{Digest, Sha256};

use crate::bounds;
use crate::fault::FileFault;
use crate::info::describe;
use crate::open;
use crate::place::Workspace;

/// Reads `length` bytes from `offset`; fewer where the file ends.
pub(crate) fn read(workspace: &Workspace, request: FileRead) -> Result<FileContent, FileFault> {
    let FileRead { path, offset, length } = request;
    let place = workspace.place(path)?;
    let length = match length {
        0 => bounds::READ_DEFAULT,
        length if length <= bounds::READ => length,
        length => {
            let limit = bounds::READ;
            return Err(FileFault::Invalid(format!(
                "{length} bytes are too many for one read; ask for at most {limit} at a time"
            )));
        }
    };
    let fault = || FileFault::io("read", place.asked());
    let (mut file, metadata) =
        open::regular("read", place.full(), place.asked(), OpenOptions::new().read(true))?;
    if offset > 0 {
        file.seek(SeekFrom::Start(offset)).map_err(fault())?;
    }
    let mut data = Vec::new();
    file.take(length).read_to_end(&mut data).map_err(fault())?;
    let read = data.len() as u64;
    let whole = offset == 0 && (read < length || read >= metadata.len());
    let sha256 = if whole { Sha256::digest(&data).to_vec() } else { Vec::new() };
    // Files such as those in /proc say 0 and hold more.
    let size = if whole { read } else { metadata.len() };
    let info = Some(describe(place.full(), place.shown(place.full()), &metadata));
    Ok(FileContent { data, size, sha256, info })
}
