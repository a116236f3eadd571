//! A file from a host to here.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use cofferdam_gateway::client::{Download, FilesError, Place, Whole};

use super::patience::Patience;
use super::progress::Line;
use super::{CopyError, Desk, Done, here};

/// Writes what comes to `out`; where it breaks off, goes on with the same file.
pub(super) async fn to_stream(
    desk: &Desk,
    place: &Place,
    out: &mut dyn Write,
) -> Result<Done, CopyError> {
    let shown = || String::from_utf8_lossy(&place.path).into_owned();
    let (mut patience, mut digest, mut at) = (Patience::default(), Whole::begin(), 0_u64);
    let mut version: Option<String> = None;
    let mut line = None;
    loop {
        let from = version.as_deref().map(|version| (at, version));
        let failed = match desk.files.download(place, from).await {
            Ok(mut download) => {
                version.get_or_insert_with(|| download.version.clone());
                let new = || Line::new(desk.format, &place.path, download.size);
                let line = line.get_or_insert_with(new);
                match pass(&mut download, &mut digest, &mut at, out, line).await? {
                    None if at == download.size => {
                        let sha256 = digest.clone().end();
                        let told = download.sha256().is_some_and(|told| told == sha256);
                        return if told {
                            Ok(Done { bytes: at, sha256, mode: download.mode, notes: Vec::new() })
                        } else {
                            Err(CopyError::Digest(shown()))
                        };
                    }
                    None => FilesError::Broken {
                        url: shown(),
                        why: format!("it ended after {at} of {} bytes", download.size),
                    },
                    Some(error) => error,
                }
            }
            Err(FilesError::Refused { status: 412, .. }) if version.is_some() => {
                return Err(CopyError::Changed(shown()));
            }
            Err(error) => error,
        };
        patience.rest(failed, at).await?;
    }
}

/// Passes on what comes; the error that ended it, if one did.
async fn pass(
    download: &mut Download,
    digest: &mut Whole,
    at: &mut u64,
    out: &mut dyn Write,
    line: &mut Line,
) -> Result<Option<FilesError>, CopyError> {
    loop {
        match download.next().await {
            Ok(Some(bytes)) => {
                out.write_all(&bytes).map_err(here("write", Path::new("-")))?;
                digest.take(&bytes);
                *at += bytes.len() as u64;
                line.at(*at);
            }
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        }
    }
}

/// Into a file that is open.
pub(super) async fn into(desk: &Desk, place: &Place, file: &File) -> Result<Done, CopyError> {
    let mut file = file;
    to_stream(desk, place, &mut file).await
}

/// Into a file, once all of it is there; with its mode.
pub(super) async fn to_file(desk: &Desk, place: &Place, to: &Path) -> Result<Done, CopyError> {
    if to.symlink_metadata().is_ok_and(|it| !it.is_file() && !it.is_symlink() && !it.is_dir()) {
        return to_special(desk, place, to).await;
    }
    let directory = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if desk.make_parents {
        std::fs::create_dir_all(directory).map_err(here("make the directory", directory))?;
    }
    if desk.only_new && to.symlink_metadata().is_ok() {
        return Err(here("write", to)(io::ErrorKind::AlreadyExists.into()));
    }
    let draft = tempfile::Builder::new().prefix(".cofferdam-").tempfile_in(directory);
    let draft = draft.map_err(here("make a file in", directory))?;
    let done = into(desk, place, draft.as_file()).await?;
    let set = draft.as_file().set_permissions(Permissions::from_mode(done.mode));
    set.and_then(|()| draft.as_file().sync_all()).map_err(here("write", to))?;
    // A link keeps leading where it does.
    let target = to.canonicalize().unwrap_or_else(|_| to.to_owned());
    let kept =
        if desk.only_new { draft.persist_noclobber(&target) } else { draft.persist(&target) };
    kept.map_err(|error| here("write", to)(error.error))?;
    Ok(done)
}

/// Into a device or a FIFO, as it comes.
async fn to_special(desk: &Desk, place: &Place, to: &Path) -> Result<Done, CopyError> {
    let is_socket = to.symlink_metadata().is_ok_and(|it| it.file_type().is_socket());
    if is_socket {
        return Err(CopyError::Usage("a socket is nothing to copy a file to"));
    }
    let file = std::fs::OpenOptions::new().write(true).open(to).map_err(here("open", to))?;
    into(desk, place, &file).await
}
