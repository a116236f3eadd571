//! The end that is called: TCP in, authenticated connections out.
//!
//! Each handshake runs in a task of its own, within a time limit and a cap on
//! their number, so that no stranger's slowness is anybody else's. What comes
//! out of the stream is authenticated; what is refused is logged and closed.
//! The configuration is looked up anew for each connection, so that a renewed
//! certificate is used from the next one on and drops none.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;

use crate::connection::PeerConnection;

/// How long the listener rests after the system refused it a connection
/// (commonly: out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Authenticated connections, as a stream for tonic's `serve_with_incoming`.
#[derive(Debug)]
pub struct TlsListener {
    address: SocketAddr,
    config: ServerConfigHandle,
    ready: mpsc::Receiver<PeerConnection>,
    accepting: JoinHandle<()>,
}

/// Bounds on handshakes.
#[derive(Debug, Clone, Copy)]
pub struct Handshakes {
    /// The longest one.
    pub timeout: Duration,
    /// How many at the same time; further callers wait in the system's queue.
    pub at_once: usize,
}

/// The TLS configuration of whoever is called, which may be replaced while it runs;
/// all that share a handle have the same one.
#[derive(Debug, Clone)]
pub struct ServerConfigHandle(Arc<ArcSwap<ServerConfig>>);

impl Default for Handshakes {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), at_once: 256 }
    }
}

impl ServerConfigHandle {
    /// Begins with `config`.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(ArcSwap::new(config)))
    }

    /// Authenticates whoever is at the other end of a connection that this side made
    /// and is called on. The caller bounds the time.
    pub async fn authenticate(&self, stream: TcpStream) -> io::Result<PeerConnection> {
        stream.set_nodelay(true)?;
        let acceptor = TlsAcceptor::from(self.0.load_full());
        PeerConnection::met(acceptor.accept(stream).await?)
    }

    /// Uses `config` from the next connection on.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        self.0.store(config);
    }
}

impl TlsListener {
    /// Listens on `address`. Must be called within a tokio runtime.
    pub async fn bind(address: SocketAddr, config: Arc<ServerConfig>) -> io::Result<Self> {
        Self::new(TcpListener::bind(address).await?, config, Handshakes::default())
    }

    /// Takes over a listening socket, such as one that systemd opened.
    pub fn new(
        listener: TcpListener,
        config: Arc<ServerConfig>,
        handshakes: Handshakes,
    ) -> io::Result<Self> {
        Self::sharing(listener, ServerConfigHandle::new(config), handshakes)
    }

    /// The same with a configuration that others have, too.
    pub fn sharing(
        listener: TcpListener,
        config: ServerConfigHandle,
        handshakes: Handshakes,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(handshakes.at_once.max(1));
        let accepting = tokio::spawn(accept(listener, config.clone(), handshakes, sender));
        Ok(Self { address, config, ready, accepting })
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What replaces the configuration later.
    pub fn config(&self) -> ServerConfigHandle {
        self.config.clone()
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Stream for TlsListener {
    type Item = io::Result<PeerConnection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.poll_recv(cx).map(|connection| connection.map(Ok))
    }
}

/// Accepts until the stream's reader is gone. Handshakes under way end with it.
async fn accept(
    listener: TcpListener,
    config: ServerConfigHandle,
    limits: Handshakes,
    ready: mpsc::Sender<PeerConnection>,
) {
    let places = Arc::new(Semaphore::new(limits.at_once.max(1)));
    let mut handshakes = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        while handshakes.try_join_next().is_some() {}
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let config = config.clone();
        let ready = ready.clone();
        handshakes.spawn(async move {
            let greeting = tokio::time::timeout(limits.timeout, config.authenticate(stream));
            let result = greeting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            match result {
                // A listener that is gone needs no more connections.
                Ok(connection) => drop(ready.send(connection).await),
                Err(error) => tracing::warn!(%address, %error, "connection refused"),
            }
            // Held until the connection is taken, so that a slow reader of the
            // stream slows the callers, and memory stays bounded.
            drop(place);
        });
    }
}
