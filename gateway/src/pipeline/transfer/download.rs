//! A file from a host to whoever asked.

use std::sync::Arc;

use axum::body::Bytes;
use cofferdam_journal::Ending;
use cofferdam_proto::file::v1::{FileDownload, FileDownloaded, FileOpened};
use tokio::sync::{mpsc, oneshot};

use super::{Allowed, Target, allow, moved};
use crate::call::Call;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::{Host, Piece, Proven};
use crate::record::{Ended, RecordedIntent};

/// Pieces that wait for a reader.
const QUEUE: usize = 2;

/// A file that is on its way.
pub(crate) struct Begun {
    pub(crate) opened: FileOpened,
    pub(crate) moved: mpsc::Receiver<Passed>,
}

/// What is passed on of it. The end without `Sent` is a failure, whose reason only the
/// records have.
pub(crate) enum Passed {
    Bytes(Bytes),
    Sent(FileDownloaded),
}

/// Begins to pass a file on, in a task of its own.
pub(crate) async fn download(
    gateway: &Arc<Gateway>,
    call: Call,
    target: Target,
    wire: FileDownload,
) -> Result<Begun, Fault> {
    let (begun, told) = oneshot::channel();
    let task = Arc::clone(gateway);
    gateway.tasks().spawn(async move { live(&task, &call, &target, wire, begun).await });
    told.await.unwrap_or_else(|_| Err(Fault::Internal("a download ended early".to_owned())))
}

async fn live(
    gateway: &Arc<Gateway>,
    call: &Call,
    target: &Target,
    wire: FileDownload,
    mut begun: oneshot::Sender<Result<Begun, Fault>>,
) {
    let allowed = tokio::select! {
        allowed = allow(gateway, call, target, wire) => allowed,
        // Whoever asked left while it was decided.
        () = begun.closed() => return,
    };
    let Allowed { mut intent, host, _held } = match allowed {
        Ok(allowed) => allowed,
        Err(fault) => return drop(begun.send(Err(fault))),
    };
    let (moving, pieces) = mpsc::channel(QUEUE);
    let mut begun = Some((begun, pieces));
    let sent = pass(&mut intent, &host, &moving, &mut begun).await;
    let (ended, told) = match sent {
        Ok(Some(proven)) => {
            let Proven { answer, receipt } = *proven;
            let ended = Ended { receipt: Some(receipt), ..Ended::with(Ending::Completed) };
            (ended, Ok(Some(answer)))
        }
        Ok(None) => (Ended::with(Ending::Cancelled { by: "caller".to_owned() }), Ok(None)),
        Err(fault) => {
            (Ended { receipt: fault.receipt(), ..Ended::with(fault.ending()) }, Err(fault))
        }
    };
    let passed = told.as_ref().ok().and_then(Option::as_ref);
    let moved = passed.map(|it| moved(it.length, &it.sha256));
    let entered = intent.into_entered();
    let recorded = gateway.recorder().end_of_transfer(entered, ended, true, moved).await;
    match (told.and_then(|told| recorded.map(|()| told)), begun) {
        (Ok(Some(answer)), None) => drop(moving.send(Passed::Sent(answer)).await),
        (Ok(_), _) => {}
        (Err(fault), Some((begun, _))) => drop(begun.send(Err(fault))),
        (Err(fault), None) => tracing::warn!(%fault, "a download broke off"),
    }
}

/// Whom to tell that it begins.
type Waiting = Option<(oneshot::Sender<Result<Begun, Fault>>, mpsc::Receiver<Passed>)>;

/// Passes on all of it; none where the reader left.
async fn pass(
    intent: &mut RecordedIntent<FileDownload>,
    host: &Host,
    moving: &mpsc::Sender<Passed>,
    begun: &mut Waiting,
) -> Result<Option<Box<Proven<FileDownloaded>>>, Fault> {
    let mut download = host.download(intent).await?;
    // From here on something is shown.
    intent.written().await?;
    let opened = download.opened().clone();
    if let Some((begun, moved)) = begun.take()
        && begun.send(Ok(Begun { opened, moved })).is_err()
    {
        return Ok(None);
    }
    loop {
        let piece = tokio::select! {
            piece = host.next(intent, &mut download) => piece,
            () = moving.closed() => return Ok(None),
        };
        match piece? {
            Piece::Sent(proven) => return Ok(Some(proven)),
            Piece::Bytes(bytes) => {
                if moving.send(Passed::Bytes(bytes)).await.is_err() {
                    return Ok(None);
                }
            }
        }
    }
}
