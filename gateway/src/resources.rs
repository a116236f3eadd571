//! What a gateway shows as resources of MCP: files and directories of workspaces, and
//! what runs printed; and who is told when they change.
//!
//! Words:
//! - A **URI** names a file, a directory or output on a host ([`uri`]).
//! - **Reading** one is the call of a tool: `read_file`, `list_directory` or
//!   `read_process`, with the same rules, records and refusals ([`read`]).
//! - **Listed** are the workspaces that a caller may look into and the runs that are
//!   theirs ([`list`]), and never every file: nobody would page through a repository,
//!   each page would be a walk on a host, and a list of files is what `list_directory`
//!   and completion give for the one directory that matters. Templates say how a file's
//!   URI is made.
//! - A **subscription** ([`subscription`]) watches one URI for one caller, by
//!   `watch_files` or by asking the host after a run.
//!
//! Invariant: nothing is shown here that the tools would not show to the same caller.

pub(crate) mod contents;
pub(crate) mod error;
pub(crate) mod list;
pub(crate) mod output;
pub(crate) mod raw;
pub(crate) mod read;
pub(crate) mod subscription;
pub(crate) mod templates;
pub(crate) mod uri;

use rmcp::model::JsonObject;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::call::{Call, Origin};
use crate::progress::Progress;

/// A call of `tool` on behalf of `origin`, with an id of its own, for an answer of at
/// most `budget` bytes. Nobody at the client is asked in the middle of it.
pub(crate) fn call(
    origin: &Origin,
    tool: &str,
    arguments: Value,
    budget: usize,
    cancelled: &CancellationToken,
) -> Call {
    let origin = Origin {
        run_id: uuid::Uuid::new_v4().to_string(),
        tool: tool.to_owned(),
        ..origin.clone()
    };
    let arguments = match arguments {
        Value::Object(arguments) => arguments,
        _ => JsonObject::new(),
    };
    Call {
        origin,
        arguments: Some(arguments),
        profile: None,
        budget,
        cancelled: cancelled.clone(),
        progress: Progress::silent(),
        person: None,
        takes_task: false,
    }
}
