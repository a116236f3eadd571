//! Accepts connections, plain or TLS, and serves HTTP/1.1 and HTTP/2 on them.
//!
//! Invariants: accepting never waits for a handshake; at most the configured
//! number of connections is open; every socket has `TCP_NODELAY` (without it a
//! streamed answer waits 40 ms for an acknowledgement); a connection on which
//! nothing happens, from before its first byte on, is closed; after the shutdown
//! token fires, open requests may end and no new connection is taken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
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

use super::activity::{self, Activity, Patience};

/// The longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The longest wait for a request's headers.
const HEADERS: Duration = Duration::from_secs(30);

/// Between two pings on HTTP/2, and how long the other side may take to answer
/// one: a peer that is gone keeps no stream.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);

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
    patience: Patience,
}

impl Listener {
    /// Binds `address`.
    pub(crate) async fn bind(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        connections: usize,
    ) -> std::io::Result<Self> {
        Self::serving(TcpListener::bind(address).await?, tls, connections)
    }

    /// Takes a socket that somebody else bound and listens on.
    pub(crate) fn adopt(
        socket: std::net::TcpListener,
        tls: Option<Arc<ServerConfig>>,
        connections: usize,
    ) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::serving(TcpListener::from_std(socket)?, tls, connections)
    }

    fn serving(
        socket: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        connections: usize,
    ) -> std::io::Result<Self> {
        Ok(Self {
            address: socket.local_addr()?,
            socket,
            tls: tls.map(TlsAcceptor::from),
            places: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            patience: activity::PATIENCE,
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
            let activity = Activity::new(self.patience);
            connections.spawn(async move {
                serve_socket(stream, tls, router, activity, shutdown).await;
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
    activity: Activity,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let Some(tls) = tls else {
        return serve_http(stream, router, activity, shutdown).await;
    };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve_http(stream, router, activity, shutdown).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn serve_http<S>(stream: S, router: Router, activity: Activity, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADERS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    let counted = activity.clone();
    let count = move |request, next| activity::count(counted.clone(), request, next);
    let service = TowerToHyperService::new(router.layer(from_fn(count)));
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = activity.rested() => return tracing::debug!("a silent connection is closed"),
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const BRIEF: Patience =
        Patience { stranger: Duration::from_millis(200), known: Duration::from_millis(800) };
    /// For a busy machine.
    const LATE: Duration = Duration::from_secs(8);

    /// The connection preface and empty settings (RFC 9113, section 3.4).
    const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    /// Serves one connection at a time.
    async fn serve_one() -> (SocketAddr, CancellationToken) {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut listener = Listener::bind(address, None, 1).await.unwrap();
        listener.patience = BRIEF;
        let (address, shutdown) = (listener.address(), CancellationToken::new());
        let answer = get(|| async { "here" });
        let router = Router::new().route("/", answer.clone()).route(super::super::MCP_PATH, answer);
        tokio::spawn(listener.serve(router, shutdown.clone()));
        (address, shutdown)
    }

    /// Sends something and nothing more, and says how long the connection lasts.
    async fn lasts(address: SocketAddr, sent: &[u8]) -> Duration {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let began = tokio::time::Instant::now();
        // Whether it ends with FIN or with RST.
        let _ = stream.read_to_end(&mut Vec::new()).await;
        began.elapsed()
    }

    #[tokio::test]
    async fn a_silent_connection_gives_its_place_back_whatever_it_began_with() {
        let (address, shutdown) = serve_one().await;
        let begun: [&[u8]; 6] = [
            b"",
            b"G",
            b"PRI * HT",
            b"GET / HTTP/1.1\r\nhost: a\r\n",
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            HTTP2,
        ];
        for sent in begun {
            let lasted = lasts(address, sent).await;
            assert!(lasted <= LATE, "{:?}: {lasted:?}", sent.escape_ascii().to_string());
        }
        // The one place is free again.
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        shutdown.cancel();
    }

    #[tokio::test]
    async fn a_known_callers_connection_may_rest_for_longer_but_not_for_ever() {
        let (address, shutdown) = serve_one().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        // HEADERS of stream 1, which ends it: GET, http, path and authority by literals.
        let mut sent = HTTP2.to_vec();
        sent.extend(b"\0\0\x0b\x01\x05\0\0\0\x01\x82\x86\x04\x04/mcp\x41\x01a");
        stream.write_all(&sent).await.unwrap();
        let began = tokio::time::Instant::now();
        let mut bytes = [0; 4096];
        while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        let lasted = began.elapsed();
        assert!(lasted > BRIEF.known && lasted <= LATE, "{lasted:?}");
        shutdown.cancel();
    }
}
