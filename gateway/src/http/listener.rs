//! Accepts connections, plain or TLS, and serves HTTP/1.1 and HTTP/2 on them.
//!
//! Invariants: accepting never waits for a handshake; at most the configured
//! number of connections is open; every socket has `TCP_NODELAY` (without it a
//! streamed answer waits 40 ms for an acknowledgement); after the shutdown token
//! fires, open requests may end and no new connection is taken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The longest wait for a request's headers.
const HEADERS: Duration = Duration::from_secs(30);

/// How long to rest after the system had no descriptor left for a connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// The largest header block.
const MAX_HEADERS: u32 = 64 * 1024;

/// A bound socket and how to serve what connects to it.
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
}

impl Listener {
    /// Binds `address`.
    pub(crate) async fn bind(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        connections: usize,
    ) -> std::io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self {
            address: socket.local_addr()?,
            socket,
            tls: tls.map(TlsAcceptor::from),
            places: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
        })
    }

    /// The address with the port that was bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` fires, then until the open requests have ended.
    pub(crate) async fn serve(self, router: Router, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        loop {
            let (stream, place) = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.accept() => accepted,
            };
            let (tls, router, shutdown) = (self.tls.clone(), router.clone(), shutdown.clone());
            connections.spawn(async move {
                serve_socket(stream, tls, router, shutdown).await;
                drop(place);
            });
        }
        drop(self.socket);
        connections.close();
        connections.wait().await;
    }

    async fn accept(&self) -> (TcpStream, OwnedSemaphorePermit) {
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await;
            match (self.socket.accept().await, place) {
                (Ok((stream, _)), Ok(place)) => return (stream, place),
                (Err(error), _) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(EXHAUSTED).await;
                }
                (_, Err(closed)) => {
                    tracing::error!(%closed, "the connection limit is gone");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }
}

async fn serve_socket(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let Some(tls) = tls else {
        return serve_http(stream, router, shutdown).await;
    };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve_http(stream, router, shutdown).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn serve_http<S>(stream: S, router: Router, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(MAX_HEADERS);
    let service = TowerToHyperService::new(router);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error, "a connection ended early");
    }
}
