//! File operations as JSON.

use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::write_precondition::Precondition;
use cofferdam_proto::file::v1::{
    DirectoryList, DirectoryMake, FileCopy, FileDelete, FileDownload, FileEdit, FileMove, FileRead,
    FileReceive, FileSearch, FileStat, FileUpload, FileWatch, FileWrite, FilesRead, LineRange,
    ProgramLookup, Replacement, WritePrecondition,
};
use cofferdam_trust::hex;
use serde_json::{Value, json};

use super::{content, text};

/// A file operation.
#[must_use]
pub fn operation(operation: &Operation) -> Value {
    match operation {
        Operation::Read(read) => read_value(read),
        Operation::ReadFiles(FilesRead { reads, length }) => {
            let reads: Vec<Value> = reads.iter().map(read_value).collect();
            json!({"read_files": reads, "length": length})
        }
        Operation::Write(write) => write_value(write),
        Operation::Edit(edit) => edit_value(edit),
        Operation::List(list) => list_value(list),
        Operation::Search(search) => search_value(search),
        Operation::Stat(FileStat { path, digest }) => {
            json!({"stat": text(path), "digest": digest})
        }
        Operation::MakeDirectory(DirectoryMake { path, make_parents, mode }) => {
            json!({"make_directory": text(path), "make_parents": make_parents, "mode": mode})
        }
        Operation::Move(FileMove { from, to, overwrite, recursive }) => json!({
            "move": text(from), "to": text(to), "overwrite": overwrite, "recursive": recursive,
        }),
        Operation::Copy(FileCopy { from, to, overwrite, recursive }) => json!({
            "copy": text(from), "to": text(to), "overwrite": overwrite, "recursive": recursive,
        }),
        Operation::Delete(FileDelete { path, recursive }) => {
            json!({"delete": text(path), "recursive": recursive})
        }
        Operation::Watch(FileWatch { path, recursive, wait_millis, settle_millis }) => json!({
            "watch": text(path), "recursive": recursive, "wait_millis": wait_millis,
            "settle_millis": settle_millis,
        }),
        Operation::FindProgram(ProgramLookup { program, directories: _ }) => {
            json!({"find_program": text(program)})
        }
        Operation::Send(FileDownload { path, offset, length, version, whole_digest }) => json!({
            "download": text(path), "offset": offset, "length": length, "version": hex(version),
            "whole_digest": whole_digest,
        }),
        Operation::Receive(FileReceive { upload, offset }) => {
            upload_value(upload.as_ref(), *offset)
        }
        // Never a call: housekeeping is in no record.
        Operation::HoldPlaces(_) | Operation::ReleasePlaces(_) => Value::Null,
    }
}

fn read_value(read: &FileRead) -> Value {
    let FileRead { path, offset, length, lines, whole_image, encoding: _ } = read;
    let lines = lines.map(|LineRange { first, count, from_end }| {
        json!({"first": first, "count": count, "from_end": from_end})
    });
    json!({
        "read": text(path), "offset": offset, "length": length, "lines": lines,
        "whole_image": whole_image,
    })
}

fn write_value(write: &FileWrite) -> Value {
    let FileWrite { path, data, precondition, make_parents, mode, append } = write;
    json!({
        "write": text(path), "data": content(data),
        "precondition": precondition_value(precondition.as_ref()), "make_parents": make_parents,
        "mode": mode, "append": append,
    })
}

fn precondition_value(precondition: Option<&WritePrecondition>) -> Value {
    match precondition.and_then(|it| it.precondition.as_ref()) {
        Some(Precondition::MustNotExist(it)) => json!({"must_not_exist": it}),
        Some(Precondition::Sha256(digest)) => json!({"sha256": hex(digest)}),
        Some(Precondition::Version(version)) => json!({"version": hex(version)}),
        None => Value::Null,
    }
}

fn upload_value(upload: Option<&FileUpload>, offset: u64) -> Value {
    let Some(upload) = upload else { return Value::Null };
    let FileUpload { path, size, sha256, mode, precondition, make_parents } = upload;
    json!({
        "upload": text(path), "size": size, "sha256": hex(sha256), "mode": mode,
        "precondition": precondition_value(precondition.as_ref()), "make_parents": make_parents,
        "offset": offset,
    })
}

fn edit_value(edit: &FileEdit) -> Value {
    let FileEdit { path, replacements, patch, encoding: _, expected_sha256, dry_run } = edit;
    let shown = replacements.iter().map(|Replacement { old, new, replace_all }| {
        let (old, new) = (content(old.as_bytes()), content(new.as_bytes()));
        json!({"old": old, "new": new, "replace_all": replace_all})
    });
    json!({
        "edit": text(path), "replacements": shown.collect::<Vec<_>>(),
        "patch": content(patch.as_bytes()), "expected_sha256": hex(expected_sha256),
        "dry_run": dry_run,
    })
}

fn list_value(list: &DirectoryList) -> Value {
    let DirectoryList { path, depth, respect_ignore_files, include_hidden, max_entries, after } =
        list;
    json!({
        "list": text(path), "depth": depth, "respect_ignore_files": respect_ignore_files,
        "include_hidden": include_hidden, "max_entries": max_entries, "after": text(after),
    })
}

fn search_value(search: &FileSearch) -> Value {
    let FileSearch {
        path,
        content,
        name,
        fixed_string,
        ignore_case,
        respect_ignore_files,
        include_hidden,
        max_matches,
        context_lines,
        types,
        types_not,
        skip,
    } = search;
    let names = |names: &[String]| -> Vec<String> {
        names.iter().take(64).map(|name| text(name.as_bytes())).collect()
    };
    json!({
        "search": text(path), "content": text(content.as_bytes()), "name": text(name.as_bytes()),
        "fixed_string": fixed_string, "ignore_case": ignore_case,
        "respect_ignore_files": respect_ignore_files, "include_hidden": include_hidden,
        "max_matches": max_matches, "context_lines": context_lines, "types": names(types),
        "types_not": names(types_not), "skip": skip,
    })
}
