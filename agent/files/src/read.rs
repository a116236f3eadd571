//! Reads regular files: a range of bytes or of lines, from the begin or the end.

mod many;
mod range;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};

use cofferdam_proto::file::v1::{FileContent, FileRead, LineRange};
use sha2::{Digest, Sha256};

use crate::bounds;
use crate::fault::FileFault;
use crate::info::describe;
use crate::open;
use crate::place::Workspace;
pub(crate) use many::read_files;
use range::Lines;

/// A part of a file.
#[derive(Debug, Default)]
struct Part {
    data: Vec<u8>,
    offset: u64,
    /// From 1; 0: bytes were asked for.
    first_line: u64,
    total_lines: Option<u64>,
}

/// Reads what is asked for; less where the file ends.
pub(crate) fn read(workspace: &Workspace, request: FileRead) -> Result<FileContent, FileFault> {
    let FileRead { path, offset, length, lines, whole_image, encoding: _ } = request;
    let place = workspace.place(path)?;
    let length = checked_length(length)?;
    let fault = || FileFault::io("read", place.asked());
    let (mut file, metadata) =
        open::regular("read", place.full(), place.asked(), OpenOptions::new().read(true))?;
    let size = metadata.len();
    let small = size <= bounds::READ;
    let whole = if small { Some(all(&mut file).map_err(fault())?) } else { None };
    let image =
        whole.as_ref().is_some_and(|all| is_image(all)) && size <= whole_image.min(bounds::READ);
    let part = match (whole.as_deref(), lines) {
        (Some(all), _) if image => Part { data: all.to_vec(), ..Part::default() },
        (Some(all), None) => Part { data: slice(all, offset, length), offset, ..Part::default() },
        (None, None) => {
            file.seek(SeekFrom::Start(offset)).map_err(fault())?;
            let mut data = Vec::new();
            file.take(length).read_to_end(&mut data).map_err(fault())?;
            Part { data, offset, ..Part::default() }
        }
        (Some(mut all), Some(range)) => {
            let size = all.len() as u64;
            lines_of(&mut io::Cursor::new(&mut all), size, range, offset, length)
                .map_err(|error| error.on(&place))?
        }
        (None, Some(range)) => {
            file.seek(SeekFrom::Start(0)).map_err(fault())?;
            lines_of(&mut file, size, range, offset, length).map_err(|error| error.on(&place))?
        }
    };
    let sha256 = whole.as_ref().map(|all| Sha256::digest(all).to_vec()).unwrap_or_default();
    let info = Some(describe(place.full(), place.shown(place.full()), &metadata));
    let Part { data, offset, first_line, total_lines } = part;
    let total_lines = total_lines.or_else(|| whole.as_deref().map(range::count));
    // Files such as those in /proc say 0 and hold more.
    let size = whole.map_or(size, |all| all.len() as u64);
    Ok(FileContent { data, size, sha256, info, offset, first_line, total_lines })
}

fn checked_length(length: u64) -> Result<u64, FileFault> {
    match length {
        0 => Ok(bounds::READ_DEFAULT),
        length if length <= bounds::READ => Ok(length),
        length => {
            let limit = bounds::READ;
            Err(FileFault::Invalid(format!(
                "{length} bytes are too many for one read; ask for at most {limit} at a time"
            )))
        }
    }
}

/// All of a file that says it is small, and a little more where it has grown.
fn all(file: &mut File) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    file.take(bounds::READ).read_to_end(&mut data)?;
    Ok(data)
}

fn slice(all: &[u8], offset: u64, length: u64) -> Vec<u8> {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
    let rest = &all[from..];
    rest[..usize::try_from(length).unwrap_or(usize::MAX).min(rest.len())].to_vec()
}

fn lines_of(
    file: &mut (impl Read + Seek),
    size: u64,
    range: LineRange,
    offset: u64,
    length: u64,
) -> Result<Part, range::Wrong> {
    if offset > 0 {
        return Err(range::Wrong::Both);
    }
    let LineRange { first, count, from_end } = range;
    let lines = Lines { count, length: usize::try_from(length).unwrap_or(usize::MAX) };
    match (from_end, first) {
        (true, 0) => lines.last(file, size),
        (false, 1..) => lines.from(file, first),
        _ => Err(range::Wrong::Which),
    }
}

/// By its first bytes: PNG, JPEG, GIF or WebP.
fn is_image(data: &[u8]) -> bool {
    data.starts_with(b"\x89PNG\r\n\x1a\n")
        || data.starts_with(b"\xff\xd8\xff")
        || data.starts_with(b"GIF87a")
        || data.starts_with(b"GIF89a")
        || (data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP"))
}
