//! The worker on real directories.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod changing;
mod editing;
mod full_disk;
mod gnu_patch;
mod listing;
mod placeholders;
mod reading;
mod resident;
mod searching;
mod streaming;
mod watching;
mod writing;

use std::path::Path;

use cofferdam_files::answer;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{FileError, FileErrorKind, WorkerRequest};

/// Carries out `operation` with `workspace` as its workspace.
fn ask(workspace: &Path, operation: Operation) -> Answer {
    let workspace = workspace.to_str().unwrap().into();
    answer(WorkerRequest { workspace, operation: Some(operation) }).result.unwrap()
}

/// The error that `answer` must be.
fn refusal(answer: Answer) -> FileError {
    match answer {
        Answer::Error(error) => error,
        other => panic!("no error: {other:?}"),
    }
}

/// The kind of the error that `answer` must be.
fn kind(answer: Answer) -> FileErrorKind {
    refusal(answer).kind()
}

/// Makes a FIFO.
fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn a_workspace_that_is_gone_is_named_whatever_is_asked() {
    use cofferdam_proto::file::v1::{DirectoryList, FileRead, FileWrite};
    let dir = tempfile::tempdir().unwrap().keep();
    std::fs::remove_dir(&dir).unwrap();
    let path = || b"a".to_vec();
    for operation in [
        Operation::Read(FileRead { path: path(), ..FileRead::default() }),
        Operation::Write(FileWrite { path: path(), ..FileWrite::default() }),
        Operation::List(DirectoryList { path: b".".to_vec(), ..DirectoryList::default() }),
    ] {
        let error = refusal(ask(&dir, operation));
        assert_eq!(error.kind(), FileErrorKind::NotFound);
        assert!(error.message.contains("is not there any more"), "{}", error.message);
    }
}

#[test]
fn what_is_no_request_is_answered_with_an_error() {
    use prost::Message;
    let mut output = Vec::new();
    cofferdam_files::serve(&b"\xff\xff\xff"[..], &mut output).unwrap();
    let response = cofferdam_proto::file::v1::WorkerResponse::decode(output.as_slice()).unwrap();
    assert_eq!(kind(response.result.unwrap()), FileErrorKind::Invalid);
    let empty = answer(WorkerRequest { workspace: b"/".to_vec(), operation: None });
    assert_eq!(kind(empty.result.unwrap()), FileErrorKind::Invalid);
}
