//! The checks of file operations. The worker has the same bounds and checks them
//! once more; here a complaint names the field.

use cofferdam_files::bounds as files;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::write_precondition::Precondition;
use cofferdam_proto::file::v1::{
    DirectoryList, DirectoryMake, FileCopy, FileDelete, FileDownload, FileEdit, FileMove, FileRead,
    FileReceive, FileSearch, FileStat, FileUpload, FileWatch, FileWrite, FilesRead, ProgramLookup,
    WritePrecondition,
};

use super::{Checked, bytes, invalid, most};

/// Checks a file operation.
///
/// # Errors
/// Names the field.
pub fn operation(operation: &Operation) -> Checked<()> {
    match operation {
        Operation::Read(read) => file_read("read", read),
        Operation::ReadFiles(read) => files_read(read),
        Operation::Write(write) => file_write(write),
        Operation::Edit(edit) => file_edit(edit),
        Operation::List(list) => {
            let DirectoryList { path, depth, max_entries, after, .. } = list;
            file_path("list.path", path)?;
            bytes("list.after", after, files::PATH)?;
            most("list.depth", (*depth).into(), files::DEPTH.into())?;
            most("list.max_entries", (*max_entries).into(), files::ENTRIES.into())
        }
        Operation::Search(search) => file_search(search),
        Operation::Stat(FileStat { path, digest: _ }) => file_path("stat.path", path),
        Operation::MakeDirectory(DirectoryMake { path, make_parents: _, mode }) => {
            file_path("make.path", path)?;
            permissions("make.mode", *mode)
        }
        Operation::Move(FileMove { from, to, overwrite: _, recursive: _ }) => {
            file_path("move.from", from)?;
            file_path("move.to", to)
        }
        Operation::Copy(FileCopy { from, to, overwrite: _, recursive: _ }) => {
            file_path("copy.from", from)?;
            file_path("copy.to", to)
        }
        Operation::Delete(FileDelete { path, recursive: _ }) => file_path("delete.path", path),
        Operation::Watch(FileWatch { path, recursive: _, wait_millis, settle_millis }) => {
            file_path("watch.path", path)?;
            most("watch.wait_millis", (*wait_millis).into(), files::WAIT_MILLIS.into())?;
            most("watch.settle_millis", (*settle_millis).into(), files::SETTLE_MILLIS.into())
        }
        Operation::Send(download) => file_download(download),
        Operation::Receive(receive) => file_receive(receive),
        Operation::FindProgram(ProgramLookup { program, .. }) => {
            bytes("query.program", program, files::PATH)?;
            match program.as_slice() {
                b"" => invalid("query.program", "is empty"),
                [b'/', ..] => Ok(()),
                name if name.contains(&b'/') => {
                    invalid("query.program", "is a relative path; write a name or an absolute path")
                }
                _ => Ok(()),
            }
        }
        Operation::HoldPlaces(_) | Operation::ReleasePlaces(_) => {
            invalid("operation", "is the agent's own")
        }
    }
}

fn file_path(field: &str, path: &[u8]) -> Checked<()> {
    if path.is_empty() {
        return invalid(field, "is empty; write `.` for the workspace");
    }
    bytes(field, path, files::PATH)
}

fn permissions(field: &str, mode: u32) -> Checked<()> {
    match mode & !0o777 {
        0 => Ok(()),
        _ => invalid(field, "has more than permission bits; at most 0777"),
    }
}

fn file_read(field: &str, read: &FileRead) -> Checked<()> {
    let FileRead { path, offset, length, lines, whole_image, encoding: _ } = read;
    file_path(&format!("{field}.path"), path)?;
    most(&format!("{field}.length"), *length, files::READ)?;
    most(&format!("{field}.whole_image"), *whole_image, files::READ)?;
    if lines.is_some() && *offset > 0 {
        return invalid(format!("{field}.lines"), "is given beside an offset; leave one out");
    }
    Ok(())
}

fn files_read(read: &FilesRead) -> Checked<()> {
    let FilesRead { reads, length } = read;
    if reads.is_empty() {
        return invalid("read.reads", "is empty; name at least one file");
    }
    most("read.reads", reads.len() as u64, files::FILES as u64)?;
    most("read.length", *length, files::READ)?;
    let mut reads = reads.iter().enumerate();
    reads.try_for_each(|(index, read)| file_read(&format!("read.reads[{index}]"), read))
}

fn file_write(write: &FileWrite) -> Checked<()> {
    let FileWrite { path, data, precondition, make_parents: _, mode, append: _ } = write;
    file_path("write.path", path)?;
    most("write.data", data.len() as u64, files::WRITE as u64)?;
    permissions("write.mode", *mode)?;
    write_precondition("write.precondition", precondition.as_ref())
}

fn write_precondition(field: &str, precondition: Option<&WritePrecondition>) -> Checked<()> {
    match precondition.and_then(|it| it.precondition.as_ref()) {
        Some(Precondition::Sha256(digest)) if digest.len() != 32 => {
            invalid(format!("{field}.sha256"), "is not 32 bytes")
        }
        Some(Precondition::Version(version)) if version.len() != VERSION => {
            invalid(format!("{field}.version"), "is not 16 bytes")
        }
        _ => Ok(()),
    }
}

/// Bytes of a file's version.
const VERSION: usize = 16;

fn file_download(download: &FileDownload) -> Checked<()> {
    let FileDownload { path, offset, length, version, whole_digest } = download;
    file_path("download.path", path)?;
    if !matches!(version.len(), 0 | VERSION) {
        return invalid("download.version", "is not 16 bytes");
    }
    if *whole_digest && *length > 0 {
        return invalid("download.whole_digest", "is asked for beside a length; leave one out");
    }
    match offset.checked_add(*length) {
        Some(_) => Ok(()),
        None => invalid("download.length", "ends beyond the largest file that there can be"),
    }
}

fn file_receive(receive: &FileReceive) -> Checked<()> {
    let FileReceive { upload, offset } = receive;
    let Some(upload) = upload else { return invalid("upload", "is missing") };
    let FileUpload { path, size, sha256, mode, precondition, make_parents: _ } = upload;
    file_path("upload.path", path)?;
    permissions("upload.mode", *mode)?;
    if sha256.len() != 32 {
        return invalid("upload.sha256", "is not 32 bytes");
    }
    most("offset", *offset, *size)?;
    write_precondition("upload.precondition", precondition.as_ref())
}

fn file_edit(edit: &FileEdit) -> Checked<()> {
    let FileEdit { path, replacements, patch, encoding: _, expected_sha256, dry_run: _ } = edit;
    file_path("edit.path", path)?;
    most("edit.replacements", replacements.len() as u64, files::REPLACEMENTS as u64)?;
    let long = replacements.iter().map(|one| one.old.len() + one.new.len()).sum::<usize>();
    most("edit.replacements", long as u64, files::WRITE as u64)?;
    most("edit.patch", patch.len() as u64, files::WRITE as u64)?;
    if replacements.is_empty() == patch.is_empty() {
        return invalid("edit", "has to have replacements or a patch, and one of them");
    }
    if !matches!(expected_sha256.len(), 0 | 32) {
        return invalid("edit.expected_sha256", "is not 32 bytes");
    }
    Ok(())
}

fn file_search(search: &FileSearch) -> Checked<()> {
    let FileSearch { path, content, name, max_matches, context_lines, types, .. } = search;
    let FileSearch { types_not, skip, .. } = search;
    file_path("search.path", path)?;
    most("search.content", content.len() as u64, files::PATTERN as u64)?;
    most("search.name", name.len() as u64, files::PATTERN as u64)?;
    most("search.max_matches", (*max_matches).into(), files::MATCHES.into())?;
    most("search.context_lines", (*context_lines).into(), files::CONTEXT_LINES.into())?;
    most("search.types", (types.len() + types_not.len()) as u64, files::TYPES as u64)?;
    most("search.skip", *skip, files::MATCHES.into())?;
    if content.is_empty() && name.is_empty() && types.is_empty() && types_not.is_empty() {
        return invalid("search", "needs `content`, `name`, types, or several of them");
    }
    Ok(())
}
