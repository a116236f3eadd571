//! Connections that gateways call on, whichever side made them, as the server takes
//! them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use cofferdam_trust::{Beside, Connection, Peer, PeerConnection, TlsListener};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::Stream;

/// What stands beside the bytes of a connection that gateways call on.
#[derive(Debug)]
pub struct Called {
    peer: Peer,
    /// Only of a connection that this side made: told when it is called on, and closed
    /// with it.
    stage: Option<watch::Sender<Stage>>,
}

/// How far a connection has come that this side made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nobody has called on it.
    Spare,
    /// The gateway has begun to.
    InUse,
}

/// All of them as they come; for tonic's `serve_with_incoming`.
#[derive(Debug)]
pub struct Connections {
    listener: Option<TlsListener>,
    dialled: mpsc::Receiver<Connection<Called>>,
}

/// One that this side made, with what tells its stage until it ends.
pub(super) fn spare(
    connection: PeerConnection,
    place: OwnedSemaphorePermit,
) -> (Connection<Called>, watch::Receiver<Stage>) {
    let (stage, told) = watch::channel(Stage::Spare);
    let spare = connection.holding(place).beside(|peer| Called { peer, stage: Some(stage) });
    (spare, told)
}

impl Connections {
    /// Those that a listener has, if there is one, and those that were dialled.
    #[must_use]
    pub fn new(listener: Option<TlsListener>, dialled: mpsc::Receiver<Connection<Called>>) -> Self {
        Self { listener, dialled }
    }
}

impl Stream for Connections {
    type Item = io::Result<Connection<Called>>;

    /// Never ends: a listener does not, and one that only dials has another try.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(Some(connection)) = self.dialled.poll_recv(cx) {
            return Poll::Ready(Some(Ok(connection)));
        }
        let accepted = |it: PeerConnection| it.beside(|peer| Called { peer, stage: None });
        match &mut self.listener {
            None => Poll::Pending,
            Some(listener) => {
                Pin::new(listener).poll_next(cx).map(|next| next.map(|it| it.map(accepted)))
            }
        }
    }
}

impl Beside for Called {
    type Info = Peer;

    fn info(&self) -> Peer {
        self.peer.clone()
    }

    fn has_read(&mut self) {
        if let Some(stage) = &self.stage
            && *stage.borrow() == Stage::Spare
        {
            stage.send_replace(Stage::InUse);
        }
    }
}
