//! One TLS connection with what stands beside its bytes, as tonic takes it on either
//! side.
//!
//! The only place that passes a connection's bytes on. What is particular to one kind
//! stands **beside** them: who was met ([`Peer`]), how long a stranger may be one,
//! whether a spare is in use. Made by the connector and the acceptor, by the gateway's
//! authority, and by agents that dial.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tonic::transport::server::Connected;

use crate::peer::Peer;

/// A TLS connection, and what stands beside its bytes.
#[derive(Debug)]
pub struct Connection<B> {
    stream: TlsStream<TcpStream>,
    beside: B,
    /// What is given back when the connection ends, whoever has it then.
    held: Option<Box<dyn Held>>,
}

/// One with an authenticated peer, whichever side dialled and whichever is called.
pub type PeerConnection = Connection<Peer>;

/// What stands beside the bytes of a connection, and goes with it.
pub trait Beside {
    /// What every call on the connection finds among its extensions.
    type Info: Clone + Send + Sync + 'static;

    /// What that is.
    fn info(&self) -> Self::Info;

    /// Asked before each read whether the connection may go on.
    ///
    /// # Errors
    /// Ends the connection.
    fn may_go_on(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Told after each read that gave bytes.
    fn has_read(&mut self) {}
}

/// Something that is held for as long as a connection lasts.
trait Held: fmt::Debug + Send + Sync {}

impl<T: fmt::Debug + Send + Sync> Held for T {}

impl<B> Connection<B> {
    /// A connection whose handshake is done.
    pub fn new(stream: impl Into<TlsStream<TcpStream>>, beside: B) -> Self {
        Self { stream: stream.into(), beside, held: None }
    }

    /// The same, with something that is dropped when the connection ends: a place
    /// among those that are counted.
    #[must_use]
    pub fn holding(self, held: impl fmt::Debug + Send + Sync + 'static) -> Self {
        Self { held: Some(Box::new(held)), ..self }
    }

    /// The same connection with something else beside its bytes.
    pub fn beside<C>(self, other: impl FnOnce(B) -> C) -> Connection<C> {
        let Self { stream, beside, held } = self;
        Connection { stream, beside: other(beside), held }
    }
}

impl PeerConnection {
    /// What a handshake came to in which the other end had to show a certificate.
    pub(crate) fn met(stream: impl Into<TlsStream<TcpStream>>) -> io::Result<Self> {
        let stream = stream.into();
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let certificate =
            certificate.ok_or_else(|| io::Error::other("the peer showed no certificate"))?;
        let peer = Peer::from_certificate(certificate).map_err(io::Error::other)?;
        Ok(Self::new(stream, peer))
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.beside
    }
}

impl Beside for Peer {
    type Info = Self;

    fn info(&self) -> Self {
        self.clone()
    }
}

impl<B: Beside> Connected for Connection<B> {
    type ConnectInfo = B::Info;

    fn connect_info(&self) -> B::Info {
        self.beside.info()
    }
}

impl<B: Beside + Unpin> AsyncRead for Connection<B> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.beside.may_go_on(cx)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.beside.has_read();
        }
        read
    }
}

impl<B: Unpin> AsyncWrite for Connection<B> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
