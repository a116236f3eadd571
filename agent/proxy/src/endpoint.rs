//! Where agents reach the proxy: a Unix socket at a path, or one that is
//! connected already.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cofferdam_plan::channel::ChannelError;
use tokio::sync::Semaphore;

use crate::agent::{self, Shared};
use crate::ceiling::CeilingFile;
use crate::dial::Dialer;

/// An endpoint that is open.
#[derive(Debug)]
pub enum Endpoint {
    /// Agents connect to it; only processes of this user are served.
    Listening {
        /// The socket.
        listener: UnixListener,
        /// The agent's user.
        agent: u32,
    },
    /// One agent holds the other end.
    Connected(UnixStream),
}

/// Why an endpoint could not be opened or served.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Something else is at the path.
    #[error("`{}` is there and is not a socket; remove it or give another path", .0.display())]
    Occupied(PathBuf),
    /// The socket cannot be made.
    #[error("cannot listen at `{}`: {source}", .path.display())]
    Listen {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard input is not a connected Unix socket.
    #[error("standard input is not a connected Unix socket: {0}")]
    NotConnected(io::Error),
    /// The runtime does not take the socket.
    #[error("cannot serve the agent's socket: {0}")]
    Serve(io::Error),
    /// The agent spoke nonsense.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

impl Endpoint {
    /// Listens at `path` for processes of user `agent`. A socket that an earlier
    /// proxy left there is replaced. Anybody may connect: who is not the agent
    /// is turned away by credentials, which cannot be lent like a group.
    ///
    /// # Errors
    /// The path is taken or cannot be bound.
    pub fn listen(path: &Path, agent: u32) -> Result<Self, EndpointError> {
        let failed = |source| EndpointError::Listen { path: path.to_owned(), source };
        match path.symlink_metadata() {
            Ok(facts) if facts.file_type().is_socket() => {
                std::fs::remove_file(path).map_err(failed)?;
            }
            Ok(_) => return Err(EndpointError::Occupied(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        let everybody = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(path, everybody).map_err(failed)?;
        Ok(Self::Listening { listener, agent })
    }

    /// Standard input, connected to the agent by whoever started this process.
    ///
    /// # Errors
    /// It is not a connected Unix socket.
    pub fn standard_input() -> Result<Self, EndpointError> {
        let input = io::stdin().as_fd().try_clone_to_owned();
        let socket = input.map(UnixStream::from).map_err(EndpointError::NotConnected)?;
        socket.peer_addr().map_err(EndpointError::NotConnected)?;
        Ok(Self::Connected(socket))
    }

    /// Serves agents: for ever at a path, until the other end closes on a
    /// connected socket. `ceiling` holds whatever an agent says; `connections` is for all
    /// runs together.
    ///
    /// # Errors
    /// The socket fails, or a connected agent speaks nonsense.
    pub async fn serve(
        self,
        dialer: Dialer,
        ceiling: Option<CeilingFile>,
        connections: usize,
    ) -> Result<(), EndpointError> {
        let connections = Arc::new(Semaphore::new(connections));
        let shared = Shared { dialer: Arc::new(dialer), ceiling, connections };
        match self {
            Self::Connected(socket) => {
                socket.set_nonblocking(true).map_err(EndpointError::Serve)?;
                let socket =
                    tokio::net::UnixStream::from_std(socket).map_err(EndpointError::Serve)?;
                Ok(agent::serve(socket, shared).await?)
            }
            Self::Listening { listener, agent } => {
                listener.set_nonblocking(true).map_err(EndpointError::Serve)?;
                let listener =
                    tokio::net::UnixListener::from_std(listener).map_err(EndpointError::Serve)?;
                loop {
                    accept(&listener, agent, &shared).await;
                }
            }
        }
    }
}

async fn accept(listener: &tokio::net::UnixListener, agent: u32, shared: &Shared) {
    let socket = match listener.accept().await {
        Ok((socket, _)) => socket,
        Err(error) => {
            tracing::warn!(%error, "cannot accept an agent's connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            return;
        }
    };
    match socket.peer_cred() {
        Ok(peer) if peer.uid() == agent => {
            let shared = shared.clone();
            tokio::spawn(async move {
                if let Err(error) = agent::serve(socket, shared).await {
                    tracing::warn!(%error, "the agent's connection ended");
                }
            });
        }
        Ok(peer) => tracing::warn!(uid = peer.uid(), "a stranger connected; turned away"),
        Err(error) => tracing::warn!(%error, "cannot tell who connected; turned away"),
    }
}
