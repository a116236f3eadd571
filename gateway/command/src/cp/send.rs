//! A file from here to a host.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_gateway::client::{FilesError, Place, Upload, Whole};

use super::patience::Patience;
use super::progress::Line;
use super::{CopyError, Desk, Done, here};

/// Permission bits of what has none here.
pub(super) const NEW: u32 = 0o644;
/// Bytes read at once for the digest.
const CHUNK: usize = 1 << 20;

/// A regular file, and its permission bits. Nothing is waited for: a FIFO is none.
pub(super) fn open(path: &Path) -> Result<(File, u32), CopyError> {
    let mut options = OpenOptions::new();
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = options.read(true).custom_flags(flags).open(path).map_err(here("open", path))?;
    let metadata = file.metadata().map_err(here("open", path))?;
    if metadata.is_dir() {
        return Err(CopyError::Usage("the source is a directory; copy it with -r"));
    }
    if !metadata.is_file() {
        return Err(CopyError::Usage(
            "the source is no regular file; give what it holds on standard input, and `-` here",
        ));
    }
    Ok((file, metadata.mode() & 0o777))
}

/// Sends all of `file`; where it breaks off, what the host has kept of it is not sent
/// again.
pub(super) async fn from(
    desk: &Desk,
    place: &Place,
    file: &File,
    mode: u32,
) -> Result<Done, CopyError> {
    let path = Path::new("the source");
    let (size, sha256) = digest(file).map_err(here("read", path))?;
    let line = Arc::new(Mutex::new(Line::new(desk.format, &place.path, size)));
    let mut patience = Patience::default();
    let mut upload = Upload {
        size,
        sha256,
        mode,
        only_new: desk.only_new,
        make_parents: desk.make_parents,
        offset: 0,
    };
    loop {
        let own = file.try_clone().map_err(here("read", path))?;
        let watched = Arc::clone(&line);
        let watch = move |at| watched.lock().unwrap_or_else(PoisonError::into_inner).at(at);
        match desk.files.upload(place, &upload, own, watch).await {
            Ok(uploaded) => {
                return Ok(Done { bytes: size, sha256, mode, notes: uploaded.notes });
            }
            Err(FilesError::Refused { kept: Some(kept), reason, .. })
                if reason == "UPLOAD_INCOMPLETE" && kept < size && kept != upload.offset =>
            {
                upload.offset = kept;
            }
            Err(error) if upload.offset == size && size > 0 && !error.is_passing() => {
                return Err(error.into());
            }
            Err(error) => {
                let reached = if upload.offset == size { 0 } else { upload.offset };
                patience.rest(error, reached).await?;
                // Nobody knows how far it came: the host is asked, with nothing to send.
                upload.offset = size;
            }
        }
    }
}

fn digest(mut file: &File) -> io::Result<(u64, [u8; 32])> {
    file.seek(SeekFrom::Start(0))?;
    let (mut digest, mut size, mut buffer) = (Whole::begin(), 0, vec![0; CHUNK]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((size, digest.end())),
            Ok(read) => {
                digest.take(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
