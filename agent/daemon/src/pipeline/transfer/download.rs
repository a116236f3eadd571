//! A file to whoever asked for it.
//!
//! The digest is over the bytes that are passed on here, not over what the worker
//! says of them.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use cofferdam_proto::file::v1::download_file_response::Event;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{
    DownloadFileRequest, DownloadFileResponse, FileChunk, FileDownload, FileDownloaded, FileOpened,
    FileSent,
};
use cofferdam_trust::{action_digest, sha256};
use prost::Message;
use prost::bytes::{Bytes, BytesMut};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};
use tonic::Status;

use super::{Admitted, PATIENCE, Stop, Transfer, TransferError, admit, moved};
use crate::fault::{Fault, NoAnswer};
use crate::peers::Gateway;
use crate::pipeline::Agent;
use crate::pipeline::files;

/// Bytes of a chunk, at most.
const CHUNK: usize = 256 * 1024;
/// Events that wait to be sent.
const QUEUE: usize = 2;

/// What is sent, in order. The end without `sent` or an error is a mishap.
type Events = mpsc::Sender<Result<DownloadFileResponse, Status>>;

/// Begins to send a file.
///
/// # Errors
/// Where it is refused; what fails later is the last event.
pub fn download(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    request: DownloadFileRequest,
) -> Result<mpsc::Receiver<Result<DownloadFileResponse, Status>>, Fault> {
    let DownloadFileRequest { intent, download } = request;
    let download = download.unwrap_or_default();
    let digest = action_digest(&download);
    let method = "FileService.DownloadFile";
    let operation = Operation::Send(download.clone());
    let admitted = admit(agent, gateway, method, intent, operation, digest)?;
    let (events, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(live(Arc::clone(agent), admitted, download, events));
    Ok(receiver)
}

/// The whole life of it.
async fn live(agent: Arc<Agent>, admitted: Admitted, download: FileDownload, events: Events) {
    let transfer = match admitted.record(&agent).await {
        Ok(transfer) => transfer,
        Err(fault) => return drop(events.send(Err(fault.into_status())).await),
    };
    let sent = {
        let sending = timeout_at(transfer.until, send(&agent, &transfer, &download, &events));
        tokio::select! {
            sent = sending => {
                sent.unwrap_or_else(|_| Err(TransferError::Late(transfer.longest).into()))
            }
            () = events.closed() => Err(Stop::Gone),
        }
    };
    let (downloaded, came) = match sent {
        Ok(downloaded) => {
            let digest = sha256(&downloaded.encode_to_vec());
            let moved = moved(downloaded.length, &downloaded.sha256);
            (Some(downloaded), Ok((digest, moved)))
        }
        Err(stop) => (None, Err(stop)),
    };
    let last = match transfer.conclude(&agent, came) {
        Ok(receipt) => {
            let Some(downloaded) = downloaded else { return };
            let sent = FileSent { downloaded: Some(downloaded), receipt: Some(receipt) };
            Ok(event(Event::Sent(sent)))
        }
        Err(fault) => Err(fault.into_status()),
    };
    drop(events.send(last).await);
}

fn event(event: Event) -> DownloadFileResponse {
    DownloadFileResponse { event: Some(event) }
}

/// Sends the file but for the last event.
async fn send(
    agent: &Arc<Agent>,
    transfer: &Transfer,
    download: &FileDownload,
    events: &Events,
) -> Result<FileDownloaded, Stop> {
    let Transfer { recorded, granted, operation, .. } = transfer;
    let cell = files::hold(agent, recorded, granted).await?;
    let (reading, theirs) = pipe()?;
    let mut streaming = files::stream(agent, &cell, granted, operation.clone(), theirs).await?;
    let opened = match streaming.begun(&cell).await? {
        Answer::Opened(opened) => opened,
        Answer::Error(error) => return Err(error.into()),
        _ => return Err(strange().into()),
    };
    let version = opened.version.clone();
    let size = opened.info.as_ref().map(|info| info.size).ok_or_else(strange)?;
    let end = match download.length {
        0 => size,
        length => size.min(download.offset.saturating_add(length)),
    };
    let length = end.checked_sub(download.offset).ok_or_else(strange)?;
    let limit = files::capped(granted).limits.file_size_bytes;
    if length > limit {
        return Err(TransferError::Above { bytes: length, limit }.into());
    }
    say(events, Event::Opened(opened)).await?;
    let passed = pass(reading, download, end, events).await?;
    match streaming.ended(&cell).await? {
        Answer::Sent(FileOpened { version: after, .. }) if after == version => {}
        Answer::Error(error) => return Err(error.into()),
        _ => return Err(strange().into()),
    }
    let Some(Passed { sha256, file_sha256 }) = passed else { return Err(strange().into()) };
    let whole = end == size && (download.offset == 0 || download.whole_digest);
    let file_sha256 = if whole { file_sha256 } else { Vec::new() };
    Ok(FileDownloaded { offset: download.offset, length, sha256, size, file_sha256, version })
}

/// Digests of what was passed on, and of all that was read.
struct Passed {
    sha256: Vec<u8>,
    file_sha256: Vec<u8>,
}

/// Passes on what comes up to `end`; none where less came: the worker says why.
async fn pass(
    mut pipe: Receiver,
    download: &FileDownload,
    end: u64,
    events: &Events,
) -> Result<Option<Passed>, Stop> {
    let FileDownload { offset, whole_digest, .. } = *download;
    let mut at = if whole_digest { 0 } else { offset };
    // Where the two differ, what comes before `offset` is read and not passed on.
    let (mut part, mut before) =
        (Context::new(&SHA256), (at < offset).then(|| Context::new(&SHA256)));
    while at < end {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let read = timeout(PATIENCE, pipe.read_buf(&mut buffer)).await;
        let read = read.map_err(|_| TransferError::Stalled)?.map_err(NoAnswer::from)?;
        if read == 0 {
            return Ok(None);
        }
        let mut data = buffer.freeze();
        data.truncate(usize::try_from(end - at).unwrap_or(usize::MAX));
        if let Some(whole) = &mut before {
            whole.update(&data);
        }
        let skipped = offset.saturating_sub(at);
        at += data.len() as u64;
        let data = match usize::try_from(skipped) {
            Ok(skipped) if skipped < data.len() => data.slice(skipped..),
            _ => continue,
        };
        part.update(&data);
        chunk(events, at - data.len() as u64, data).await?;
    }
    let sha256 = part.finish().as_ref().to_vec();
    let file_sha256 = before.map_or_else(|| sha256.clone(), |it| it.finish().as_ref().to_vec());
    Ok(Some(Passed { sha256, file_sha256 }))
}

async fn chunk(events: &Events, offset: u64, data: Bytes) -> Result<(), Stop> {
    say(events, Event::Chunk(FileChunk { offset, data })).await
}

async fn say(events: &Events, it: Event) -> Result<(), Stop> {
    match timeout(PATIENCE, events.send(Ok(event(it)))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Stop::Gone),
        Err(_) => Err(TransferError::Stalled.into()),
    }
}

fn pipe() -> Result<(Receiver, OwnedFd), NoAnswer> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from)?;
    Ok((Receiver::from_owned_fd(ours)?, theirs))
}

fn strange() -> NoAnswer {
    NoAnswer("it answered something else".to_owned())
}
