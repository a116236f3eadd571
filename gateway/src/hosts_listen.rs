//! Where hosts dial in that the gateway cannot dial: behind NAT, behind a firewall.
//!
//! A host says in a short preface who it claims to be; then the gateway, which stays
//! the calling end, authenticates it as it does those that it dials: TLS 1.3, both
//! with certificates, exactly the claimed agent. Only then the connection is the
//! host's; the rest is as with every other host.
//!
//! Invariant: until then it is a stranger's. A stranger has a few seconds, a few
//! hundred bytes, and one of a bounded number of places, of which one address has only
//! some; and is told nothing, not even whether there is such a host.

mod strangers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_trust::{PeerConnection, Preface};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::config::HostsListenConfig;
use crate::gateway::Gateway;
use strangers::{Stranger, Strangers};

/// The longest until the preface is there.
const PREFACE: Duration = Duration::from_secs(5);
/// The longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long to rest after the system had no descriptor left for a connection.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// A silent connection is asked after so long whether it is there, again after so
/// long, and given up after so many questions (tcp(7)). It keeps NAT's memory of the
/// connection alive, too.
const IDLE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_secs(10);
const QUESTIONS: u32 = 3;

/// A bound socket for hosts.
pub(crate) struct HostsListener {
    socket: TcpListener,
    address: SocketAddr,
    places: Arc<Semaphore>,
    strangers: Arc<Strangers>,
}

/// Why a stranger was sent away.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("no preface within {} s", PREFACE.as_secs())]
    Silent,
    #[error("{0}")]
    Preface(io::Error),
    #[error("it claims to be a host that does not dial in here, is revoked, or has no place left")]
    NotExpected,
    #[error("no handshake within {} s", HANDSHAKE.as_secs())]
    Slow,
    #[error("it claims to be `{host}` and does not prove it: {reason}")]
    Unproven { host: String, reason: io::Error },
}

impl HostsListener {
    /// Binds what `config` says.
    pub(crate) async fn bind(config: &HostsListenConfig) -> io::Result<Self> {
        let HostsListenConfig { address, connections, strangers, strangers_per_address } = *config;
        let socket = TcpListener::bind(address).await?;
        Ok(Self {
            address: socket.local_addr()?,
            socket,
            places: Arc::new(Semaphore::new(connections.get().min(Semaphore::MAX_PERMITS))),
            strangers: Arc::new(Strangers::new(strangers.get(), strangers_per_address.get())),
        })
    }

    /// The address with the port that was bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes hosts' connections until `shutdown`.
    pub(crate) async fn serve(self, gateway: Arc<Gateway>, shutdown: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a host's connection");
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            };
            // Whoever finds no place is closed at once and comes again.
            let Some(stranger) = Strangers::admit(&self.strangers, address.ip()) else { continue };
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                self.strangers.turned_away("every connection for hosts is in use");
                continue;
            };
            let (gateway, strangers) = (Arc::clone(&gateway), Arc::clone(&self.strangers));
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                let met = tokio::select! {
                    met = meet(&gateway, stream, stranger, place) => met,
                    () = shutdown.cancelled() => return,
                };
                if let Err(refusal) = met {
                    tracing::debug!(%address, %refusal, "a host's connection is refused");
                    strangers.turned_away(&refusal.to_string());
                }
            });
        }
    }
}

/// From the first byte to a connection of one of the gateway's hosts.
async fn meet(
    gateway: &Gateway,
    mut stream: TcpStream,
    stranger: Stranger,
    place: OwnedSemaphorePermit,
) -> Result<(), Refusal> {
    let preface = tokio::time::timeout(PREFACE, Preface::read(&mut stream)).await;
    let preface = preface.map_err(|_| Refusal::Silent)?.map_err(Refusal::Preface)?;
    let host = gateway.hosts().of_agent(preface.claimed()).ok_or(Refusal::NotExpected)?;
    let (own_place, tls) = host.expected().ok_or(Refusal::NotExpected)?;
    let unproven = |reason| Refusal::Unproven { host: host.name().to_owned(), reason };
    ask_whether_it_lives(&stream).map_err(unproven)?;
    let connection = tokio::time::timeout(HANDSHAKE, PeerConnection::over(stream, tls)).await;
    let connection = connection.map_err(|_| Refusal::Slow)?.map_err(unproven)?;
    host.arrived(connection.holding((place, own_place))).map_err(unproven)?;
    tracing::debug!(host = host.name(), "a host has dialled in");
    drop(stranger);
    Ok(())
}

/// A connection that nobody uses yet has nothing else that would find out that it broke.
fn ask_whether_it_lives(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, IDLE)?;
    sockopt::set_tcp_keepintvl(stream, AGAIN)?;
    Ok(sockopt::set_tcp_keepcnt(stream, QUESTIONS)?)
}
