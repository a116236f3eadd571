//! The file worker: one file operation inside a cell, as the session's user.
//!
//! The agent starts it in a cell that is there for files alone. For a single
//! operation it writes one [`WorkerRequest`] to its standard input and reads one
//! [`WorkerResponse`] from its standard output; a worker that stays is given many,
//! in frames ([`stay`]).
//!
//! Invariants:
//! - No path is judged here. The kernel resolves it under the cell's mounts and
//!   Landlock rules, which are the boundary; this program only asks.
//! - Nothing blocks: what is not a regular file is recognised before it is
//!   opened, and opened without blocking in case it was swapped meanwhile.
//! - Everything is bounded: bytes, entries, matches, line lengths, depth, time.
//! - Names are bytes, never assumed to be UTF-8.
#![forbid(unsafe_code)]

pub mod bounds;
mod change;
mod edit;
mod encoding;
mod fault;
mod info;
mod lines;
mod list;
mod open;
mod place;
mod places;
mod program;
mod read;
mod receive;
mod requests;
mod resident;
mod search;
mod seat;
mod send;
mod version;
mod walk;
mod watch;
mod write;

use std::io::{Read, Write};

use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{WorkerRequest, WorkerResponse};
use prost::Message;

pub use fault::FileFault;
use place::Workspace;
pub use resident::stay;

/// Reads one request, carries it out, writes one response.
pub fn serve(input: impl Read, mut output: impl Write) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    input.take(bounds::REQUEST + 1).read_to_end(&mut bytes)?;
    let response = if bytes.len() as u64 > bounds::REQUEST {
        refused(FileFault::Invalid(format!("the request is longer than {} bytes", bounds::REQUEST)))
    } else {
        match WorkerRequest::decode(bytes.as_slice()) {
            Ok(request) => answer(request),
            Err(error) => {
                refused(FileFault::Invalid(format!("the request means nothing: {error}")))
            }
        }
    };
    output.write_all(&response.encode_to_vec())?;
    output.flush()
}

/// Carries out one request.
#[must_use]
pub fn answer(request: WorkerRequest) -> WorkerResponse {
    match carry_out(request) {
        Ok(result) => WorkerResponse { result: Some(result) },
        Err(fault) => refused(fault),
    }
}

fn refused(fault: FileFault) -> WorkerResponse {
    WorkerResponse { result: Some(Answer::Error(fault.into())) }
}

fn carry_out(request: WorkerRequest) -> Result<Answer, FileFault> {
    let WorkerRequest { workspace, operation } = request;
    let workspace = workspace_of(workspace)?;
    Ok(match operation {
        Some(Operation::Read(r)) => Answer::Content(read::read(&workspace, r)?),
        Some(Operation::Write(w)) => Answer::Written(write::write(&workspace, w)?),
        Some(Operation::Edit(e)) => Answer::Edited(edit::edit(&workspace, e)?),
        Some(Operation::ReadFiles(r)) => Answer::Contents(read::read_files(&workspace, r)?),
        Some(Operation::MakeDirectory(m)) => Answer::Made(change::make_directory(&workspace, m)?),
        Some(Operation::Move(m)) => Answer::Moved(change::rename(&workspace, m)?),
        Some(Operation::Copy(c)) => Answer::Copied(change::copy(&workspace, c)?),
        Some(Operation::Delete(d)) => Answer::Deleted(change::delete(&workspace, d)?),
        Some(Operation::Watch(w)) => Answer::Changes(watch::watch(&workspace, w)?),
        Some(Operation::List(l)) => Answer::Listing(list::list(&workspace, l)?),
        Some(Operation::Search(s)) => Answer::Search(search::search(&workspace, s)?),
        Some(Operation::Stat(s)) => Answer::Info(info::stat(&workspace, s)?),
        Some(Operation::FindProgram(p)) => Answer::Program(program::find(p)?),
        Some(Operation::HoldPlaces(p)) => Answer::Held(places::hold(&workspace, p)?),
        Some(Operation::ReleasePlaces(p)) => Answer::Released(places::release(&workspace, p)?),
        Some(Operation::Send(_) | Operation::Receive(_)) => {
            return Err(FileFault::Invalid("the request needs a pipe for the bytes".to_owned()));
        }
        None => return Err(FileFault::Invalid("the request names no operation".to_owned())),
    })
}

fn workspace_of(path: Vec<u8>) -> Result<Workspace, FileFault> {
    let workspace = Workspace::new(path)?;
    if workspace.is_gone() {
        return Err(FileFault::NoWorkspace(workspace.path().to_owned()));
    }
    Ok(workspace)
}
