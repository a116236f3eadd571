//! The running service: opens the gateway, binds, serves, and ends in order.
//!
//! Ending: no new connection, open calls are cancelled (their runs end on the
//! hosts, their outcomes are recorded), the journal is signed and closed last.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use cofferdam_authority::JoinServer;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::decide::reload;
use crate::descriptors::{self, TooFewDescriptors};
use crate::gateway::{Gateway, OpenError};
use crate::hosts_listen::HostsListener;
use crate::http::{Listener, MCP_PATH, TlsFilesError, load_tls, router};
use crate::joining::follow;
use crate::lapses::warn;
use crate::mcp::Mcp;
use crate::metrics::MetricsListener;
use crate::notice::notice;

/// How long open calls have to end and be recorded.
const ENDING: Duration = Duration::from_secs(25);

/// A gateway that is bound and does not serve yet.
pub struct Service {
    gateway: Arc<Gateway>,
    listener: Listener,
    hosts_listener: Option<HostsListener>,
    join_server: Option<JoinServer>,
    metrics_listener: Option<MetricsListener>,
    shutdown: CancellationToken,
    /// Taken at the start, so that no SIGHUP ends the service from then on.
    hangup: Signal,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something that it needs cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The files for TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFilesError),
    /// The address cannot be bound.
    #[error(
        "cannot listen on {address}: {source}; choose another `listen` in the configuration, or \
         stop what uses it"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address for hosts cannot be bound.
    #[error(
        "cannot listen for hosts on {address}: {source}; choose another `hosts_listen.address` in \
         the configuration, or stop what uses it"
    )]
    BindForHosts {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address for metrics cannot be bound.
    #[error(
        "cannot listen for questions after metrics on {address}: {source}; choose another \
         `metrics.listen` in the configuration, or stop what uses it"
    )]
    BindForMetrics {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The inherited socket is another one than the configuration says.
    #[error(
        "the inherited socket listens on {inherited}, and `listen` in the configuration says \
         {listen}; make the socket's unit and the configuration say the same"
    )]
    OtherSocket {
        /// Where the socket listens.
        inherited: SocketAddr,
        /// What the configuration says.
        listen: SocketAddr,
    },
    /// Not enough descriptors.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// The authority cannot be served.
    #[error(transparent)]
    Authority(#[from] cofferdam_authority::StartError),
    /// SIGHUP cannot be waited for.
    #[error("cannot wait for SIGHUP: {0}")]
    Signal(#[source] std::io::Error),
    /// The start was broken off.
    #[error("the start was broken off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// Why the service ended badly: the end of the journal may be missing.
#[derive(Debug, thiserror::Error)]
#[error("the journal could not be closed: {0}")]
pub struct EndError(#[from] cofferdam_journal::AppendError);

impl Service {
    /// Opens and binds everything that `config` names.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_on(None, config).await
    }

    /// The same, on a socket that was inherited, where there is one: it has to be
    /// bound to what `config` says.
    pub async fn start_on(
        inherited: Option<TcpListener>,
        config: Config,
    ) -> Result<Self, StartError> {
        let shutdown = CancellationToken::new();
        let hangup = signal(SignalKind::hangup()).map_err(StartError::Signal)?;
        let tls = config.tls.as_ref().map(load_tls).transpose()?;
        let address = config.listen;
        let for_hosts = config.hosts_listen.as_ref().map_or(0, |it| it.connections.get());
        let connections = descriptors::room_for(config.limits.connections.get(), for_hosts)?;
        let failed = |source| StartError::Bind { address, source };
        let listener = match inherited {
            None => Listener::bind(address, tls, connections).await,
            Some(socket) => Listener::adopt(socket, tls, connections),
        };
        let listener = listener.map_err(failed)?;
        if listener.address() != address && address.port() != 0 {
            let inherited = listener.address();
            return Err(StartError::OtherSocket { inherited, listen: address });
        }
        let hosts_listener = match &config.hosts_listen {
            None => None,
            Some(listen) => {
                let address = listen.address;
                let failed = |source| StartError::BindForHosts { address, source };
                Some(HostsListener::bind(listen).await.map_err(failed)?)
            }
        };
        let metrics_listener = match config.metrics_listen {
            None => None,
            Some(address) => {
                let failed = |source| StartError::BindForMetrics { address, source };
                Some(MetricsListener::bind(address).await.map_err(failed)?)
            }
        };
        let token = shutdown.clone();
        // The journal is read from end to end here.
        let open = tokio::task::spawn_blocking(move || Gateway::open(config, &token));
        let gateway = open.await??;
        let join_server = match (gateway.joining(), &gateway.config().authority) {
            (Some(joining), Some(authority)) => {
                let registrar = joining.registrar();
                Some(JoinServer::bind(authority.listen, registrar, shutdown.clone()).await?)
            }
            _ => None,
        };
        Ok(Self {
            gateway,
            listener,
            hosts_listener,
            join_server,
            metrics_listener,
            shutdown,
            hangup,
        })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Where hosts dial in, if they can.
    pub fn hosts_address(&self) -> Option<SocketAddr> {
        self.hosts_listener.as_ref().map(HostsListener::address)
    }

    /// Where hosts join, if they can.
    pub fn authority_address(&self) -> Option<SocketAddr> {
        self.join_server.as_ref().map(JoinServer::address)
    }

    /// Where metrics are asked for, if they can be.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_listener.as_ref().map(MetricsListener::address)
    }

    /// Where MCP clients go.
    pub fn mcp_url(&self) -> String {
        let config = self.gateway.config();
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let authority = config.front.public.clone().unwrap_or_else(|| self.address().to_string());
        format!("{scheme}://{authority}{MCP_PATH}")
    }

    /// Serves until `stop` resolves, then ends in order.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), EndError> {
        let Self {
            gateway,
            listener,
            hosts_listener,
            join_server,
            metrics_listener,
            shutdown,
            hangup,
        } = self;
        let own = Arc::clone(&gateway);
        // Each session has its own, with what it is subscribed to.
        let new = move || Mcp::new(Arc::clone(&own));
        let router = router(&gateway, new, &shutdown);
        let sweeper = Arc::clone(&gateway);
        gateway.tasks().spawn(async move { sweeper.expire_approvals().await });
        gateway.tasks().spawn(reload(Arc::clone(&gateway), hangup, shutdown.clone()));
        gateway.tasks().spawn(notice(Arc::clone(&gateway), shutdown.clone()));
        gateway.tasks().spawn(warn(Arc::clone(&gateway), shutdown.clone()));
        if let Some(listener) = metrics_listener {
            gateway.tasks().spawn(listener.serve(Arc::clone(&gateway), shutdown.clone()));
        }
        if let Some(listener) = hosts_listener {
            gateway.tasks().spawn(listener.serve(Arc::clone(&gateway), shutdown.clone()));
        }
        if let Some(server) = join_server {
            gateway.tasks().spawn(follow(Arc::clone(&gateway), shutdown.clone()));
            gateway.tasks().spawn(async move {
                if let Err(error) = server.run().await {
                    tracing::error!(%error, "no host can join or renew any more");
                }
            });
        }
        let serving = tokio::spawn(listener.serve(router, shutdown.clone()));
        stop.await;
        tracing::info!("stopping: open calls are cancelled and recorded");
        shutdown.cancel();
        gateway.tasks().close();
        if tokio::time::timeout(ENDING, gateway.tasks().wait()).await.is_err() {
            tracing::warn!("some calls did not end in time; they will be recorded as lost");
        }
        serving.abort();
        let closed = tokio::task::spawn_blocking(move || gateway.recorder().close()).await;
        match closed {
            Ok(closed) => Ok(closed?),
            Err(error) => {
                tracing::error!(%error, "closing the journal was broken off");
                Ok(())
            }
        }
    }
}
