//! Sends a regular file's content, or a part of it, through a pipe.
//!
//! What is sent has one version: the file is looked at before the first byte and
//! after the last one. The bytes are read and written, not spliced, because a page
//! in a pipe would still change with the file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{FileDownload, FileOpened};
use rustix::pipe::fcntl_setpipe_size;

use crate::bounds;
use crate::fault::FileFault;
use crate::info::describe;
use crate::open;
use crate::place::{Place, Workspace};
use crate::version::Version;

/// Sends what is asked for to `pipe`; `say` tells what is sent before it is.
pub(crate) fn send(
    workspace: &Workspace,
    request: FileDownload,
    pipe: OwnedFd,
    say: impl FnOnce(Answer) -> io::Result<()>,
) -> Result<FileOpened, FileFault> {
    let FileDownload { path, offset, length, version, whole_digest } = request;
    let place = workspace.place(path)?;
    let fault = || FileFault::io("read", place.asked());
    let (file, metadata) =
        open::regular("read", place.full(), place.asked(), OpenOptions::new().read(true))?;
    let now = Version::of(&metadata);
    if !version.is_empty() && Version::read(&version)? != now {
        return Err(changed(&place, "was changed since; begin anew"));
    }
    let size = metadata.len();
    if offset > size {
        let message = format!(
            "`{}` has {size} bytes, and {offset} are to be left out",
            place.asked().display()
        );
        return Err(FileFault::Invalid(message));
    }
    if size == 0 && file.read_at(&mut [0], 0).map_err(fault())? > 0 {
        let message = format!(
            "`{}` says that it has no bytes, and has some, as files of the kernel do; read it with \
             read_file",
            place.asked().display()
        );
        return Err(FileFault::Invalid(message));
    }
    let info = Some(describe(place.full(), place.shown(place.full()), &metadata));
    say(Answer::Opened(FileOpened { info, version: now.to_bytes() })).map_err(fault())?;
    let end = match length {
        0 => size,
        length => size.min(offset.saturating_add(length)),
    };
    let begin = if whole_digest { 0 } else { offset };
    if !copy(&file, begin..end, pipe).map_err(fault())? {
        return Err(changed(&place, "was made shorter while it was read; begin anew"));
    }
    if Version::of(&file.metadata().map_err(fault())?) != now {
        return Err(changed(&place, "was changed while it was read; begin anew"));
    }
    Ok(FileOpened { info: None, version: now.to_bytes() })
}

/// Whether there were as many bytes as were to be sent.
fn copy(file: &File, range: std::ops::Range<u64>, pipe: OwnedFd) -> io::Result<bool> {
    // What it holds by itself serves as well, only slower.
    _ = fcntl_setpipe_size(&pipe, bounds::STREAMED);
    let mut pipe = File::from(pipe);
    let mut buffer = vec![0; bounds::STREAMED];
    let mut at = range.start;
    while at < range.end {
        let most =
            usize::try_from(range.end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        match file.read_at(&mut buffer[..most], at) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                pipe.write_all(&buffer[..read])?;
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn changed(place: &Place, problem: &str) -> FileFault {
    FileFault::Changed { path: place.asked().to_owned(), problem: problem.to_owned() }
}
