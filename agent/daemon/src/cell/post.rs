//! The way to the PID 1 of a cell: one task writes whole frames, in the order in
//! which they were handed over, so that nobody who stops to wait leaves half of one.
//!
//! Nobody waits for a PID 1 that takes nothing: after a while the way is closed for
//! good, and who has something to send is told.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cofferdam_plan::channel::ChannelError;
use cofferdam_plan::{CellRequest, Encode};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::frames;
use crate::restart::cell::KeptCell;

/// Requests that wait to be sent, at most.
const QUEUE: usize = 64;
/// How long PID 1 may take to take one: longer than it waits for a run to be executed.
const PATIENCE: Duration = Duration::from_secs(15);
/// A frame of which the kernel may take only a part at once, in bytes: a shorter one is
/// on its way as a whole or not at all, whenever this process is killed.
const LONG: usize = 16 * 1024;

/// The way. It closes when this is dropped and what was handed over is sent.
#[derive(Debug)]
pub(super) struct Post(mpsc::Sender<Letter>);

/// A request on its way.
#[derive(Debug)]
struct Letter {
    request: CellRequest,
    descriptors: Vec<OwnedFd>,
    sent: oneshot::Sender<Result<(), ChannelError>>,
}

impl Post {
    /// Must be called within a tokio runtime.
    pub(super) fn open(socket: Arc<UnixStream>, kept: Weak<OnceLock<KeptCell>>) -> Self {
        let (letters, queue) = mpsc::channel(QUEUE);
        tokio::spawn(write(socket, queue, kept));
        Self(letters)
    }

    /// Sends a request with its descriptors.
    ///
    /// # Errors
    /// Where the cell does not take it.
    pub(super) async fn send(
        &self,
        request: CellRequest,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), ChannelError> {
        let (sent, answer) = oneshot::channel();
        let letter = Letter { request, descriptors, sent };
        self.0.send(letter).await.map_err(|_| ChannelError::Closed)?;
        answer.await.unwrap_or(Err(ChannelError::Closed))
    }

    /// Sends a request without waiting for anything. Lost where the cell takes
    /// nothing: whoever ends a run has a second way for that.
    pub(super) fn tell(&self, request: CellRequest) {
        let (sent, _) = oneshot::channel();
        let letter = Letter { request, descriptors: Vec::new(), sent };
        if self.0.try_send(letter).is_err() {
            tracing::debug!("a cell takes no requests");
        }
    }
}

async fn write(
    socket: Arc<UnixStream>,
    mut queue: mpsc::Receiver<Letter>,
    kept: Weak<OnceLock<KeptCell>>,
) {
    while let Some(Letter { request, descriptors, sent }) = queue.recv().await {
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let kept = kept.upgrade();
        let kept = kept.as_ref().and_then(|kept| kept.get());
        let long = kept.filter(|_| request.to_frame().len() > LONG);
        long.inspect(|kept| kept.sends());
        let done = timeout(PATIENCE, frames::send(&socket, &request, &borrowed)).await;
        long.filter(|_| matches!(done, Ok(Ok(())))).inspect(|kept| kept.has_sent());
        let late = || ChannelError::Io(io::ErrorKind::TimedOut.into());
        let done = done.unwrap_or_else(|_| Err(late()));
        // Of one that is too long nothing was sent; of any other perhaps a half.
        let over = !matches!(done, Ok(()) | Err(ChannelError::TooLong(..)));
        // Not everybody waits for it.
        drop(sent.send(done));
        if over {
            return;
        }
    }
}
