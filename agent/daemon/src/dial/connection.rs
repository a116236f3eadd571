//! Connections that gateways call on, whichever side made them, as the server takes
//! them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use cofferdam_trust::{Peer, TlsConnection, TlsListener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

/// One connection, authenticated.
#[derive(Debug)]
pub struct Connection {
    tls: TlsConnection,
    /// Only of one that this side made: told when it is called on, and closed with it.
    stage: Option<watch::Sender<Stage>>,
    _place: Option<OwnedSemaphorePermit>,
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
    dialled: mpsc::Receiver<Connection>,
}

impl Connection {
    /// One that this side made; tells its stage until it ends.
    pub(super) fn spare(
        tls: TlsConnection,
        place: OwnedSemaphorePermit,
    ) -> (Self, watch::Receiver<Stage>) {
        let (stage, told) = watch::channel(Stage::Spare);
        (Self { tls, stage: Some(stage), _place: Some(place) }, told)
    }
}

impl From<TlsConnection> for Connection {
    fn from(tls: TlsConnection) -> Self {
        Self { tls, stage: None, _place: None }
    }
}

impl Connections {
    /// Those that a listener has, if there is one, and those that were dialled.
    #[must_use]
    pub fn new(listener: Option<TlsListener>, dialled: mpsc::Receiver<Connection>) -> Self {
        Self { listener, dialled }
    }
}

impl Stream for Connections {
    type Item = io::Result<Connection>;

    /// Never ends: a listener does not, and one that only dials has another try.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(Some(connection)) = self.dialled.poll_recv(cx) {
            return Poll::Ready(Some(Ok(connection)));
        }
        match &mut self.listener {
            None => Poll::Pending,
            Some(listener) => Pin::new(listener)
                .poll_next(cx)
                .map(|next| next.map(|accepted| accepted.map(Connection::from))),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.tls.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.tls).poll_read(cx, buffer);
        if let Some(stage) = &self.stage
            && buffer.filled().len() > before
            && *stage.borrow() == Stage::Spare
        {
            stage.send_replace(Stage::InUse);
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
