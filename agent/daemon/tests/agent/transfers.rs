//! Streams of large files that are not right, or that somebody leaves in the middle:
//! refused in words, nothing of them in the workspace, no descriptor held, and an end
//! in the journal for each that began.

use std::time::Duration;

use cofferdam_proto::file::v1::download_file_response::Event;
use cofferdam_proto::file::v1::upload_file_request::Part;
use cofferdam_proto::file::v1::{
    DownloadFileRequest, FileChunk, FileDownload, FileRead, FileUpload, ReadFileRequest,
    UploadBegin, UploadFileRequest, UploadFileResponse,
};
use cofferdam_trust::sha256;
use prost::bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::gateway::{Gateway, reason};
use crate::host::Host;

/// As much as no pipe and no window holds.
const LARGE: usize = 64 << 20;
/// The largest chunk.
const MOST: usize = 1 << 20;

fn upload(content: &[u8]) -> FileUpload {
    FileUpload {
        path: b"large".to_vec(),
        size: content.len() as u64,
        sha256: sha256(content).to_vec(),
        ..FileUpload::default()
    }
}

fn begin_at(gateway: &Gateway, upload: FileUpload, offset: u64) -> UploadFileRequest {
    let intent = Some(gateway.signed(&upload, |_| {}));
    let begin = UploadBegin { intent, upload: Some(upload), offset };
    UploadFileRequest { part: Some(Part::Begin(begin)) }
}

fn begin(gateway: &Gateway, upload: FileUpload) -> UploadFileRequest {
    begin_at(gateway, upload, 0)
}

fn chunk(offset: u64, data: &[u8]) -> UploadFileRequest {
    let chunk = FileChunk { offset, data: Bytes::copy_from_slice(data) };
    UploadFileRequest { part: Some(Part::Chunk(chunk)) }
}

async fn send(
    gateway: &Gateway,
    parts: Vec<UploadFileRequest>,
) -> Result<UploadFileResponse, Status> {
    let mut files = gateway.files().max_encoding_message_size(32 << 20);
    files.upload_file(tokio_stream::iter(parts)).await.map(tonic::Response::into_inner)
}

/// Records of this kind in the host's journal.
fn records(host: &Host, kind: &str) -> usize {
    host.journal().matches(&format!("\"kind\":\"{kind}\",\"prev\"")).count()
}

/// Waits until every intent has an end.
async fn all_ended(host: &Host) {
    for _ in 0..500 {
        if records(host, "intent") == records(host, "outcome") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("an intent has no end: {}", host.journal());
}

/// Whether nothing of the file is there, under its name or one of the worker's own.
fn is_clean(host: &Host) -> bool {
    let names = std::fs::read_dir(&host.workspace).unwrap().map(|it| it.unwrap().file_name());
    let mut names = names.map(|name| name.to_string_lossy().into_owned());
    !names.any(|name| name == "large" || name.starts_with(".cofferdam-"))
}

#[tokio::test]
async fn an_upload_that_is_not_right_is_refused_in_words_and_leaves_nothing() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let content = b"0123456789";
    let right = || upload(content);
    let begun = || begin(&gateway, right());
    let huge = vec![0; MOST + 1];
    let as_large = || begin(&gateway, FileUpload { size: huge.len() as u64, ..right() });
    let cases = [
        ("nothing", vec![], "INTENT_MISSING"),
        ("a chunk first", vec![chunk(0, content), begun()], "INTENT_MISSING"),
        ("an empty part", vec![UploadFileRequest { part: None }], "INTENT_MISSING"),
        ("two begins", vec![begun(), begun()], "INVALID_PART"),
        ("a part without a part", vec![begun(), UploadFileRequest { part: None }], "INVALID_PART"),
        ("a gap", vec![begun(), chunk(0, b"01"), chunk(3, b"3456789")], "INVALID_PART"),
        ("twice the same", vec![begun(), chunk(0, b"01"), chunk(1, b"123456789")], "INVALID_PART"),
        ("the end first", vec![begun(), chunk(5, b"56789"), chunk(0, b"01234")], "INVALID_PART"),
        ("no bytes", vec![begun(), chunk(0, b"")], "INVALID_PART"),
        ("a huge chunk", vec![as_large(), chunk(0, &huge)], "INVALID_PART"),
        ("an offset that overflows", vec![begun(), chunk(u64::MAX, b"0")], "INVALID_PART"),
        ("too long", vec![begun(), chunk(0, content), chunk(10, b"a")], "INVALID_PART"),
        ("too long at once", vec![begun(), chunk(0, b"0123456789a")], "INVALID_PART"),
        ("nothing after all", vec![begun(), chunk(0, content), chunk(10, b"")], "INVALID_PART"),
        ("a begin after all", vec![begun(), chunk(0, content), begun()], "INVALID_PART"),
        ("another digest", vec![begun(), chunk(0, b"9876543210")], "FILE_PRECONDITION_FAILED"),
        (
            "from nowhere",
            vec![begin_at(&gateway, right(), 4), chunk(4, b"456789")],
            "UPLOAD_INCOMPLETE",
        ),
        ("from beyond", vec![begin_at(&gateway, right(), u64::MAX)], "INVALID_FIELD"),
        ("too short", vec![begun(), chunk(0, b"01234")], "UPLOAD_INCOMPLETE"),
        (
            "half a digest",
            vec![begin(&gateway, FileUpload { sha256: vec![1; 16], ..right() }), chunk(0, content)],
            "",
        ),
        ("too large", vec![begin(&gateway, FileUpload { size: u64::MAX, ..right() })], ""),
    ];
    for (what, parts, expected) in cases {
        let refused = send(&gateway, parts).await.unwrap_err();
        let told = reason(&refused);
        assert!(!told.is_empty(), "{what}: {refused:?}");
        assert!(expected.is_empty() || told == expected, "{what}: {refused:?}");
        assert!(is_clean(&host), "{what} left something");
    }
    all_ended(&host).await;
    // The same host takes what is right.
    send(&gateway, vec![begun(), chunk(0, b"01234"), chunk(5, b"56789")]).await.unwrap();
    assert_eq!(std::fs::read(host.workspace.join("large")).unwrap(), content);
}

#[tokio::test]
async fn a_message_above_every_bound_breaks_the_stream_and_nothing_else() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let huge = vec![7; 16 << 20];
    let parts = vec![begin(&gateway, upload(&huge)), chunk(0, &huge)];
    let refused = send(&gateway, parts).await.unwrap_err();
    assert_ne!(refused.code(), Code::Ok);
    all_ended(&host).await;
    assert!(is_clean(&host));
    read_small(&host, &gateway).await;
}

/// A small read, beside whatever else is under way.
async fn read_small(host: &Host, gateway: &Gateway) {
    host.put("small", "small");
    let read = FileRead { path: b"small".to_vec(), ..FileRead::default() };
    let intent = Some(gateway.signed(&read, |_| {}));
    let request = ReadFileRequest { intent, read: Some(read) };
    let mut files = gateway.files();
    let answer = tokio::time::timeout(Duration::from_mins(1), files.read_file(request)).await;
    let content = answer.unwrap().unwrap().into_inner().content.unwrap();
    assert_eq!(content.data, b"small");
    std::fs::remove_file(host.workspace.join("small")).unwrap();
}

#[tokio::test]
async fn a_sender_that_falls_silent_holds_up_nobody_and_leaves_an_end_when_it_goes() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    let content = vec![5; LARGE];
    let (parts, stream) = mpsc::channel(4);
    parts.send(begin(&gateway, upload(&content))).await.unwrap();
    parts.send(chunk(0, &content[..MOST])).await.unwrap();
    let mut files = gateway.files();
    let sending = tokio::spawn(async move { files.upload_file(ReceiverStream::new(stream)).await });
    read_small(&host, &gateway).await;
    assert_eq!(records(&host, "intent"), 2);
    sending.abort();
    drop(parts);
    all_ended(&host).await;
    assert!(is_clean(&host), "half of a file is left");
}

#[tokio::test]
async fn a_reader_that_stalls_holds_up_nobody_and_leaves_an_end_when_it_goes() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    host.put("large", "");
    std::fs::File::options()
        .write(true)
        .open(host.workspace.join("large"))
        .unwrap()
        .set_len(LARGE as u64)
        .unwrap();
    let download = FileDownload { path: b"large".to_vec(), ..FileDownload::default() };
    let intent = Some(gateway.signed(&download, |_| {}));
    let request = DownloadFileRequest { intent, download: Some(download) };
    let mut events = gateway.files().download_file(request).await.unwrap().into_inner();
    let first = events.message().await.unwrap().unwrap().event.unwrap();
    assert!(matches!(first, Event::Opened(_)), "{first:?}");
    // Nothing more is taken, for longer than all buffers take to fill.
    tokio::time::sleep(Duration::from_millis(500)).await;
    read_small(&host, &gateway).await;
    // That of the read: the download has not ended.
    host.expect_records("outcome", 1);
    drop(events);
    all_ended(&host).await;
    assert!(host.journal().contains("\"cancelled\""), "{}", host.journal());
}

#[tokio::test]
async fn what_an_agent_is_killed_in_the_middle_of_is_lost_and_leaves_no_half_file() {
    let mut host = Host::start();
    let gateway = Gateway::of(&host);
    let content = vec![5; LARGE];
    let (parts, stream) = mpsc::channel(16);
    parts.send(begin(&gateway, upload(&content))).await.unwrap();
    for number in 0..8 {
        parts.send(chunk(number * MOST as u64, &content[..MOST])).await.unwrap();
    }
    let mut files = gateway.files();
    let sending = tokio::spawn(async move { files.upload_file(ReceiverStream::new(stream)).await });
    while records(&host, "intent") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let crashed = tokio::task::spawn_blocking(move || {
        host.crash_and_restart();
        host
    });
    let host = crashed.await.unwrap();
    assert!(sending.await.unwrap().is_err());
    assert_eq!(records(&host, "outcome"), 1, "{}", host.journal());
    assert!(host.journal().contains("\"kind\":\"lost\""), "{}", host.journal());
    assert!(is_clean(&host), "half of a file is left");
    // Nothing is kept of it: it begins anew.
    let gateway = Gateway::of(&host);
    let refused = send(&gateway, vec![begin_at(&gateway, upload(&content), 1)]).await.unwrap_err();
    assert_eq!(reason(&refused), "UPLOAD_INCOMPLETE", "{refused:?}");
    assert!(refused.message().contains(": 0 of"), "{refused:?}");
}
