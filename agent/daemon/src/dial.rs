//! Connections that this host makes to its gateway, for hosts that no gateway can dial:
//! behind NAT, behind a firewall.
//!
//! Words: a **spare** is a connection that is authenticated and not called on yet.
//! For each gateway's address there is one spare at a time; once the gateway calls on
//! it, the next one is made. So the gateway has as many connections as it uses, and
//! the first call on a new one waits for no handshake.
//!
//! Only who makes the TCP connection is other than usual. The agent stays the end that
//! is called: it shows its certificate as the TLS server, demands the gateway's, and
//! [`crate::peers`] authorises every call. Before TLS it says in one line which host it
//! is, which proves nothing and need not ([`cofferdam_trust::Preface`]).

mod backoff;
mod connection;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cofferdam_trust::{
    Connection, Handshakes, PeerConnection, PeerName, Preface, PrefaceError, ServerConfigHandle,
    TlsListener,
};
use rustix::net::sockopt;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::config::Config;
use backoff::Backoff;
pub use connection::{Called, Connections, Stage};

/// Connections to one address, those in use included.
const MOST: usize = 12;
/// The longest until a connection is authenticated: the gateway may have much to do
/// when all hosts come back at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// A spare that ends sooner than this was not wanted.
const UNWANTED: Duration = Duration::from_secs(5);
/// A silent connection is asked after so long whether it is there, again after so
/// long, and given up after so many questions (tcp(7)). It keeps NAT's memory of the
/// connection alive, too.
const IDLE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_secs(10);
const QUESTIONS: u32 = 3;

/// What a connection needs.
#[derive(Debug, Clone)]
pub struct Dial {
    preface: Arc<str>,
    tls: ServerConfigHandle,
    ready: mpsc::Sender<Connection<Called>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error(
        "it ended the connection before TLS: it may not know this host, have it revoked, or have \
         no place left ({0})"
    )]
    Refused(io::Error),
    #[error("no TLS within {} s", PATIENCE.as_secs())]
    Slow,
}

/// Has connections come as `config` says, until the agent is `stopped`: those that
/// gateways make, with the address where, and those that this side makes.
///
/// # Errors
/// Where the agent cannot listen.
pub async fn connections(
    config: &Config,
    own: &PeerName,
    tls: &ServerConfigHandle,
    stopped: &watch::Receiver<bool>,
) -> anyhow::Result<(Connections, Option<SocketAddr>)> {
    let listener = match config.listen {
        None => None,
        Some(address) => {
            let bound = TcpListener::bind(address).await.and_then(|socket| {
                TlsListener::sharing(socket, tls.clone(), Handshakes::default())
            });
            Some(bound.with_context(|| format!("cannot listen on {address}"))?)
        }
    };
    let address = listener.as_ref().map(TlsListener::local_addr);
    let (ready, dialled) = mpsc::channel(1);
    if !config.dial.is_empty() {
        let dial = Dial::new(own, tls.clone(), ready)?;
        for gateway in config.dial.clone() {
            let (dial, mut stopped) = (dial.clone(), stopped.clone());
            // An agent that stops serves no further connection.
            tokio::spawn(async move {
                tokio::select! {
                    () = dial.keep_spare(gateway) => {}
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            });
        }
    }
    Ok((Connections::new(listener, dialled), address))
}

impl Dial {
    /// For the agent of this name; connections come out at the other end of `ready`.
    ///
    /// # Errors
    /// Where the name is no agent's.
    pub fn new(
        own: &PeerName,
        tls: ServerConfigHandle,
        ready: mpsc::Sender<Connection<Called>>,
    ) -> Result<Self, PrefaceError> {
        Ok(Self { preface: Preface::of(own)?.line().into(), tls, ready })
    }

    /// Keeps a spare at `address` (HOST:PORT) for as long as somebody takes them.
    pub async fn keep_spare(self, address: String) {
        let places = Arc::new(Semaphore::new(MOST));
        let mut backoff = Backoff::default();
        let mut was_reached = None;
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let dialled = tokio::time::timeout(PATIENCE, self.dial(&address)).await;
            let connection = match dialled.unwrap_or(Err(DialError::Slow)) {
                Ok(connection) => connection,
                Err(error) => {
                    tell_failure(&address, &error, &mut was_reached);
                    backoff.wait().await;
                    continue;
                }
            };
            if was_reached.replace(true) != Some(true) {
                tracing::info!(address, "the gateway is reached");
            }
            let began = tokio::time::Instant::now();
            let (connection, mut stage) = connection::spare(connection, place);
            if self.ready.send(connection).await.is_err() {
                return;
            }
            if stage.wait_for(|stage| *stage == Stage::InUse).await.is_ok() {
                backoff = Backoff::default();
                continue;
            }
            // It ended unused. Where the gateway stopped, all hosts notice at once.
            if began.elapsed() >= UNWANTED {
                backoff = Backoff::default();
            }
            backoff.wait().await;
        }
    }

    async fn dial(&self, address: &str) -> Result<PeerConnection, DialError> {
        let mut stream = TcpStream::connect(address).await.map_err(DialError::Connect)?;
        ask_whether_it_lives(&stream).map_err(DialError::Connect)?;
        stream.write_all(self.preface.as_bytes()).await.map_err(DialError::Connect)?;
        self.tls.authenticate(stream).await.map_err(DialError::Refused)
    }
}

/// Tells the first failure loudly and the rest in a low voice.
fn tell_failure(address: &str, error: &DialError, was_reached: &mut Option<bool>) {
    if was_reached.replace(false) == Some(false) {
        tracing::debug!(address, %error, "the gateway is still not reached");
    } else {
        tracing::warn!(address, %error, "the gateway is not reached; trying again and again");
    }
}

/// A spare has nothing else that would find out that it broke.
fn ask_whether_it_lives(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, IDLE)?;
    sockopt::set_tcp_keepintvl(stream, AGAIN)?;
    Ok(sockopt::set_tcp_keepcnt(stream, QUESTIONS)?)
}
