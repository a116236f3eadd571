//! A file from whoever has it.
//!
//! The worker puts it in its place once all of it is there and has the digest that
//! the intent names. Where the stream breaks off, what came stays with the worker.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use cofferdam_proto::file::v1::upload_file_request::Part;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{
    FileChunk, FileReceive, FileUpload, FileUploaded, UploadBegin, UploadFileRequest, UploadKept,
};
use cofferdam_proto::intent::v1::SignedReceipt;
use cofferdam_trust::{action_digest, sha256};
use prost::Message;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::unix::pipe::Sender;
use tokio::time::{timeout, timeout_at};
use tonic::Streaming;

use super::{Admitted, PATIENCE, Stop, Transfer, TransferError, admit, moved};
use crate::fault::{Fault, NoAnswer};
use crate::intent::IntentError;
use crate::peers::Gateway;
use crate::pipeline::Agent;
use crate::pipeline::files;

/// As records of refusals name it.
const METHOD: &str = "FileService.UploadFile";
/// Bytes of a chunk, at most.
const CHUNK: usize = 1 << 20;

/// Receives a file.
///
/// # Errors
/// Where it is refused, fails or breaks off.
pub async fn upload(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    mut parts: Streaming<UploadFileRequest>,
) -> Result<(FileUploaded, SignedReceipt), Fault> {
    let first = timeout(PATIENCE, parts.message()).await.map_err(|_| TransferError::Stalled)?;
    // What begins with anything else has no intent.
    let Ok(Some(UploadFileRequest { part: Some(Part::Begin(begin)) })) = first else {
        return Err(agent.refuse_unverified(gateway, METHOD, IntentError::Missing));
    };
    let UploadBegin { intent, upload, offset } = begin;
    let upload = upload.unwrap_or_default();
    let digest = action_digest(&upload);
    let operation = Operation::Receive(FileReceive { upload: Some(upload.clone()), offset });
    let admitted = admit(agent, gateway, METHOD, intent, operation, digest)?;
    // In a task of its own: its outcome is recorded, too, when the caller leaves.
    let living = tokio::spawn(live(Arc::clone(agent), admitted, upload, offset, parts));
    living.await.unwrap_or_else(|error| Err(NoAnswer(error.to_string()).into()))
}

/// The whole life of it.
async fn live(
    agent: Arc<Agent>,
    admitted: Admitted,
    upload: FileUpload,
    offset: u64,
    parts: Streaming<UploadFileRequest>,
) -> Result<(FileUploaded, SignedReceipt), Fault> {
    let transfer = admitted.record(&agent).await?;
    let receiving = receive(&agent, &transfer, &upload, offset, parts);
    let came = timeout_at(transfer.until, receiving).await;
    let came = came.unwrap_or_else(|_| Err(TransferError::Late(transfer.longest).into()));
    let (uploaded, came) = match came {
        Ok(uploaded) => {
            let digest = sha256(&uploaded.encode_to_vec());
            let moved = moved(uploaded.size, &uploaded.sha256);
            (uploaded, Ok((digest, moved)))
        }
        Err(stop) => (FileUploaded::default(), Err(stop)),
    };
    transfer.conclude(&agent, came).map(|receipt| (uploaded, receipt))
}

async fn receive(
    agent: &Arc<Agent>,
    transfer: &Transfer,
    upload: &FileUpload,
    offset: u64,
    mut parts: Streaming<UploadFileRequest>,
) -> Result<FileUploaded, Stop> {
    let Transfer { recorded, granted, operation, .. } = transfer;
    let cell = files::hold(agent, recorded, granted).await?;
    let (theirs, pipe) = pipe()?;
    let streaming = files::stream(agent, &cell, granted, operation.clone(), theirs).await?;
    let passed = pass(&mut parts, pipe, offset, upload.size).await;
    // The pipe is closed now: the worker says what it has, whatever came before.
    let answer = streaming.ended(&cell).await?;
    match (answer, passed) {
        (_, Err(error)) => Err(error.into()),
        (Answer::Error(error), Ok(())) => Err(error.into()),
        (Answer::Uploaded(it), Ok(())) if it.size == upload.size && it.sha256 == upload.sha256 => {
            Ok(it)
        }
        (Answer::Kept(UploadKept { bytes, .. }), Ok(())) if bytes <= upload.size => {
            Err(TransferError::Incomplete { kept: bytes, size: upload.size }.into())
        }
        _ => Err(NoAnswer("it answered something else".to_owned()).into()),
    }
}

/// Passes on what comes, and closes the pipe. Where something wrong comes after all of
/// the file, the worker must not take it for whole: it gets a byte too much.
async fn pass(
    parts: &mut Streaming<UploadFileRequest>,
    mut pipe: Sender,
    offset: u64,
    size: u64,
) -> Result<(), TransferError> {
    let mut written = offset;
    let passed = pass_on(parts, &mut pipe, &mut written, size).await;
    if passed.is_err() && written == size {
        // A worker that is gone has no file to put anywhere.
        drop(timeout(PATIENCE, pipe.write_all(&[0])).await);
    }
    passed
}

/// Passes on what comes, in order and up to `size`. A stream that breaks off ends
/// it, and so does a worker that takes no more: it says why.
async fn pass_on(
    parts: &mut Streaming<UploadFileRequest>,
    pipe: &mut Sender,
    written: &mut u64,
    size: u64,
) -> Result<(), TransferError> {
    loop {
        let at = *written;
        let next = tokio::select! {
            next = timeout(PATIENCE, parts.message()) => next.map_err(|_| TransferError::Stalled)?,
            // Whoever is silent meanwhile is told all the same.
            () = closed(pipe) => return Ok(()),
        };
        let FileChunk { offset, data } = match next {
            Ok(Some(UploadFileRequest { part: Some(Part::Chunk(chunk)) })) => chunk,
            Ok(Some(_)) => return Err(TransferError::Part("after `begin` only chunks come")),
            Ok(None) | Err(_) => return Ok(()),
        };
        if offset != at {
            let told = "a chunk does not begin where the one before ended";
            return Err(TransferError::Part(told));
        }
        if data.is_empty() || data.len() > CHUNK {
            return Err(TransferError::Part("a chunk has 1 byte to 1 MiB"));
        }
        let end = at.saturating_add(data.len() as u64);
        if end > size {
            return Err(TransferError::Part("more bytes come than were announced"));
        }
        match timeout(PATIENCE, pipe.write_all(&data)).await {
            Ok(Ok(())) => *written = end,
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(TransferError::Stalled),
        }
    }
}

/// Waits until the worker has closed its end, or is gone.
async fn closed(pipe: &Sender) {
    if pipe.ready(Interest::ERROR).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn pipe() -> Result<(OwnedFd, Sender), NoAnswer> {
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from)?;
    Ok((theirs, Sender::from_owned_fd(ours)?))
}
