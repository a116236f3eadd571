//! Calls of file tools, as far as the rules look at them.

use cofferdam_policy::Action;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::{Undecidable, action, decisive};
use crate::place::Place;
use crate::tools::{
    CopyFile, DeleteFile, EditFile, ListDirectory, MakeDirectory, MoveFile, ReadFile, ReadFiles,
    SearchFiles, StatFile, WatchFiles, WriteFile, path_bytes,
};

/// The action of a file tool; none of any other.
pub(super) fn action_of(
    tool: &str,
    recorded: &Value,
    place: &Place,
) -> Option<Result<Action, Undecidable>> {
    let of = |fields: &[&str]| decisive(recorded, fields);
    // What the rules never look at is stood in for.
    let with = |fields: &[&str], name: &str, value: &str| {
        decisive(recorded, fields).map(|mut arguments| {
            arguments.insert(name.to_owned(), json!(value));
            arguments
        })
    };
    let two = ["from", "to", "recursive"];
    Some(match tool {
        "download_file" => {
            of(&["path"]).and_then(|it| path_of(&it)).map(|path| Action::ReadFile { path })
        }
        "upload_file" => {
            of(&["path"]).and_then(|it| path_of(&it)).map(|path| Action::WriteFile { path })
        }
        "read_file" => of(&["path"]).and_then(|it| action::<ReadFile>(it, place)),
        "read_files" => of(&["paths"]).and_then(|it| action::<ReadFiles>(it, place)),
        "write_file" => {
            with(&["path"], "content", "").and_then(|it| action::<WriteFile>(it, place))
        }
        "edit_file" => with(&["path"], "patch", "@@").and_then(|it| action::<EditFile>(it, place)),
        "stat_file" => of(&["path", "digest"]).and_then(|it| action::<StatFile>(it, place)),
        "make_directory" => of(&["path"]).and_then(|it| action::<MakeDirectory>(it, place)),
        "move_file" => of(&two).and_then(|it| action::<MoveFile>(it, place)),
        "copy_file" => of(&two).and_then(|it| action::<CopyFile>(it, place)),
        "delete_file" => of(&["path", "recursive"]).and_then(|it| action::<DeleteFile>(it, place)),
        "list_directory" => {
            of(&["path", "depth"]).and_then(|it| action::<ListDirectory>(it, place))
        }
        "search_files" => {
            with(&["path"], "content", "x").and_then(|it| action::<SearchFiles>(it, place))
        }
        "watch_files" => of(&["path"]).and_then(|it| action::<WatchFiles>(it, place)),
        _ => return None,
    })
}

/// The path of a file that was copied.
fn path_of(arguments: &JsonObject) -> Result<Vec<u8>, Undecidable> {
    let path = arguments.get("path").and_then(Value::as_str).unwrap_or_default();
    Ok(path_bytes("path", path)?)
}
