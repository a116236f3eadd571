//! A file from whoever sends it to a host.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{FileChunk, FileUpload, FileUploaded};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use super::{Allowed, Target, allow, moved};
use crate::call::Call;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::{CheckedReceipt, Proven};
use crate::record::Ended;
use crate::tools::Provenance;

/// Chunks that wait for the host.
const QUEUE: usize = 2;
/// Bytes of a chunk, at most.
const CHUNK: usize = 1 << 20;
/// The longest wait for more of the body.
const PATIENCE: Duration = Duration::from_mins(2);
/// Of a body whose call was refused: so much is read and thrown away, and for so long,
/// so that its sender gets to see the answer.
const DRAINED: usize = 64 << 20;
const DRAINING: Duration = Duration::from_secs(10);

/// Passes a body on to a host, in a task of its own: what came is recorded, too, when
/// its sender leaves.
pub(crate) async fn upload(
    gateway: &Arc<Gateway>,
    call: Call,
    target: Target,
    wire: FileUpload,
    offset: u64,
    body: Body,
) -> Result<(FileUploaded, Provenance), Fault> {
    let (done, told) = oneshot::channel();
    let task = Arc::clone(gateway);
    gateway.tasks().spawn(async move {
        let mut body = body;
        let uploaded = live(&task, &call, &target, wire, offset, &mut body, &done).await;
        let is_refused = uploaded.is_err();
        // Nobody may listen any more.
        drop(done.send(uploaded));
        if is_refused {
            drain(body).await;
        }
    });
    told.await.unwrap_or_else(|_| Err(Fault::Internal("an upload ended early".to_owned())))
}

async fn live(
    gateway: &Arc<Gateway>,
    call: &Call,
    target: &Target,
    wire: FileUpload,
    offset: u64,
    body: &mut Body,
    listener: &oneshot::Sender<Result<(FileUploaded, Provenance), Fault>>,
) -> Result<(FileUploaded, Provenance), Fault> {
    let left = wire.size.saturating_sub(offset);
    let Allowed { intent, host, _held } = allow(gateway, call, target, wire).await?;
    if listener.is_closed() {
        // They left while people were asked: what they sent is gone with them.
        tracing::debug!("whoever wanted to upload a file has left");
    }
    let (sender, chunks) = mpsc::channel(QUEUE);
    let sending = host.upload(&intent, offset, chunks, intent.wall());
    let (uploaded, ()) = tokio::join!(sending, feed(body, offset, left, sender));
    let (told, ending, receipt): (_, _, Option<CheckedReceipt>) = match uploaded {
        Ok(Proven { answer, receipt }) => (Ok(answer), Ending::Completed, Some(receipt)),
        Err(error) => {
            let fault = Fault::from(error);
            let (ending, receipt) = (fault.ending(), fault.receipt());
            (Err(fault), ending, receipt)
        }
    };
    let provenance = intent.provenance().clone();
    let ended = Ended { receipt, ..Ended::with(ending) };
    let moved = told.as_ref().ok().map(|it| moved(it.size, &it.sha256));
    let entered = intent.into_entered();
    gateway.recorder().end_of_transfer(entered, ended, false, moved).await?;
    told.map(|uploaded| (uploaded, provenance))
}

/// Hands on what comes of `body`, `left` bytes at most, until it ends, breaks off, or
/// the host takes no more. What is beyond is left to the digest to find wrong.
async fn feed(body: &mut Body, mut at: u64, mut left: u64, host: mpsc::Sender<FileChunk>) {
    while left > 0 {
        let next = tokio::select! {
            next = timeout(PATIENCE, body.frame()) => next,
            () = host.closed() => return,
        };
        let Ok(Some(Ok(frame))) = next else { return };
        let Ok(mut data) = frame.into_data() else { continue };
        data.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= data.len() as u64;
        while !data.is_empty() {
            let data: Bytes = data.split_to(data.len().min(CHUNK));
            let offset = at;
            at += data.len() as u64;
            if host.send(FileChunk { offset, data }).await.is_err() {
                return;
            }
        }
    }
}

async fn drain(mut body: Body) {
    let mut left = DRAINED;
    let draining = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            let Some(rest) = left.checked_sub(data.len()) else { return };
            left = rest;
        }
    };
    // Whoever goes on for longer sees the connection close.
    drop(timeout(DRAINING, draining).await);
}
