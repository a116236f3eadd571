//! The agent's end of the network proxy's socket: listeners of many runs over
//! one stream.
//!
//! The proxy is a process of its own, because it speaks with strangers. What it
//! tells is a claim: bounded here, and good for the record only.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_plan::channel::ChannelError;
use cofferdam_proto::exec::v1::Connection;
use cofferdam_proxy_protocol::{
    AllowList, ConnectionReport, ListenerId, Lists, ProxyEvent, ProxyRequest, ServeLimits, Totals,
    Verdict,
};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::frames;
use crate::warden::Endpoint;

/// Connections of one run that are told one by one.
const TOLD: usize = 256;
/// How long the proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The proxy, from here.
#[derive(Debug)]
pub struct Proxy {
    path: Option<PathBuf>,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
}

/// A run's listener, which is served.
#[derive(Debug)]
pub struct Served {
    listener: ListenerId,
    link: Arc<Link>,
}

/// What a run did with the network.
#[derive(Debug, Default)]
pub struct Traffic {
    /// The first connections, in the order in which they ended.
    pub connections: Vec<Connection>,
    /// Connections beyond those.
    pub untold: u64,
}

/// Why a run has no way out.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// This host has none.
    #[error(
        "the profile's network leads through a proxy, and this host has none: start \
         cofferdam-proxy and name its socket as `proxy` in agent.toml"
    )]
    None,
    /// It cannot be reached.
    #[error("cannot reach the proxy at `{path}`: {source}; is cofferdam-proxy running?")]
    Connect {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is gone.
    #[error("the proxy is gone; start cofferdam-proxy again")]
    Gone,
    /// It does not take the listener.
    #[error("the proxy does not serve the run: {0}")]
    Refused(String),
    /// A frame could not be sent.
    #[error("cannot speak with the proxy: {0}")]
    Channel(#[from] ChannelError),
}

#[derive(Debug)]
struct Link {
    socket: UnixStream,
    sending: tokio::sync::Mutex<()>,
    listeners: Mutex<Listeners>,
}

#[derive(Debug, Default)]
struct Listeners {
    /// The stream has ended.
    ended: bool,
    last: u64,
    served: HashMap<ListenerId, Listener>,
}

#[derive(Debug)]
struct Listener {
    serving: Option<oneshot::Sender<Result<(), String>>>,
    stopped: Option<oneshot::Sender<Totals>>,
    traffic: Traffic,
}

impl Proxy {
    /// Reaches the proxy; without an endpoint, this host has none. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// Where an inherited socket is none.
    pub fn new(endpoint: Option<Endpoint>) -> io::Result<Self> {
        let (path, link) = match endpoint {
            None => (None, None),
            Some(Endpoint::Path(path)) => (Some(path), None),
            Some(Endpoint::Inherited(socket)) => {
                let socket = std::os::unix::net::UnixStream::from(socket);
                socket.set_nonblocking(true)?;
                (None, Some(Link::start(UnixStream::from_std(socket)?)))
            }
        };
        Ok(Self { path, link: tokio::sync::Mutex::new(link) })
    }

    /// Has a listening socket served: through it, what every list allows can be
    /// reached.
    ///
    /// # Errors
    /// See [`ProxyError`].
    pub async fn serve(
        &self,
        socket: OwnedFd,
        lists: Vec<AllowList>,
    ) -> Result<Served, ProxyError> {
        let link = self.link().await?;
        let (serving, answer) = oneshot::channel();
        let listener = link.enter(serving).ok_or(ProxyError::Gone)?;
        let limits = ServeLimits::default();
        let request = ProxyRequest::Serve { listener, lists: Lists(lists), limits };
        link.send(&request, Some(&socket)).await?;
        drop(socket);
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(Ok(()))) => Ok(Served { listener, link }),
            Ok(Ok(Err(reason))) => Err(ProxyError::Refused(reason)),
            Ok(Err(_)) | Err(_) => Err(ProxyError::Gone),
        }
    }

    async fn link(&self) -> Result<Arc<Link>, ProxyError> {
        let mut link = self.link.lock().await;
        if let Some(link) = link.as_ref().filter(|link| !link.lock().ended) {
            return Ok(Arc::clone(link));
        }
        let path = match (&self.path, &*link) {
            (Some(path), _) => path,
            (None, Some(_)) => return Err(ProxyError::Gone),
            (None, None) => return Err(ProxyError::None),
        };
        let socket = UnixStream::connect(path)
            .await
            .map_err(|source| ProxyError::Connect { path: path.clone(), source })?;
        Ok(Arc::clone(link.insert(Link::start(socket))))
    }
}

impl Served {
    /// Closes the listener with all its connections; what it did.
    pub async fn stop(self) -> Traffic {
        let Self { listener, link } = self;
        let (stopped, totals) = oneshot::channel();
        let known = link.with(listener, |known| known.stopped = Some(stopped)).is_some();
        if known && link.send(&ProxyRequest::Stop { listener }, None).await.is_ok() {
            let answer = tokio::time::timeout(PATIENCE, totals).await;
            let totals = answer.ok().and_then(Result::ok).unwrap_or_default();
            link.with(listener, |known| known.traffic.untold += totals.unreported);
        }
        let left = link.lock().served.remove(&listener);
        left.map(|known| known.traffic).unwrap_or_default()
    }
}

impl Link {
    fn start(socket: UnixStream) -> Arc<Self> {
        let (sending, listeners) = (tokio::sync::Mutex::default(), Mutex::default());
        let link = Arc::new(Self { socket, sending, listeners });
        tokio::spawn(Arc::clone(&link).listen());
        link
    }

    fn enter(&self, serving: oneshot::Sender<Result<(), String>>) -> Option<ListenerId> {
        let mut listeners = self.lock();
        if listeners.ended {
            return None;
        }
        listeners.last += 1;
        let listener = ListenerId(listeners.last);
        let serving = Some(serving);
        let known = Listener { serving, stopped: None, traffic: Traffic::default() };
        listeners.served.insert(listener, known);
        Some(listener)
    }

    async fn listen(self: Arc<Self>) {
        let error = loop {
            match frames::receive::<ProxyEvent>(&self.socket).await {
                Ok((event, _)) => self.deliver(event),
                Err(error) => break error,
            }
        };
        tracing::warn!(%error, "the proxy's socket has ended");
        let mut listeners = self.lock();
        listeners.ended = true;
        for known in listeners.served.values_mut() {
            // Whoever waits is told by the drop. What the proxy had not told yet
            // was at least something.
            (known.serving, known.stopped) = (None, None);
            known.traffic.untold += 1;
        }
    }

    /// What nobody asked for is dropped.
    fn deliver(&self, event: ProxyEvent) {
        match event {
            ProxyEvent::Serving { listener } => self.answer(listener, Ok(())),
            ProxyEvent::Refused { listener, reason } => {
                self.answer(listener, Err(reason));
                self.lock().served.remove(&listener);
            }
            ProxyEvent::Connection(report) => {
                self.with(report.listener, |known| known.traffic.add(report));
            }
            ProxyEvent::Stopped { listener, totals } => {
                let stopped = self.with(listener, |known| known.stopped.take()).flatten();
                // Nobody waits any more.
                _ = stopped.map(|stopped| stopped.send(totals));
            }
        }
    }

    fn answer(&self, listener: ListenerId, answer: Result<(), String>) {
        let serving = self.with(listener, |known| known.serving.take()).flatten();
        drop(serving.map(|serving| serving.send(answer)));
    }

    fn with<T>(&self, listener: ListenerId, act: impl FnOnce(&mut Listener) -> T) -> Option<T> {
        self.lock().served.get_mut(&listener).map(act)
    }

    async fn send(
        &self,
        request: &ProxyRequest,
        socket: Option<&OwnedFd>,
    ) -> Result<(), ChannelError> {
        let _turn = self.sending.lock().await;
        let descriptors: Vec<_> = socket.into_iter().map(AsFd::as_fd).collect();
        frames::send(&self.socket, request, &descriptors).await
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traffic {
    fn add(&mut self, report: ConnectionReport) {
        if self.connections.len() == TOLD {
            self.untold += 1;
            return;
        }
        let ConnectionReport { protocol, name, port, address, verdict, sent, received, .. } =
            report;
        self.connections.push(Connection {
            protocol: protocol.word().to_owned(),
            name,
            port: port.into(),
            address: address.map(|address| address.to_string()).unwrap_or_default(),
            refused: match verdict {
                Verdict::Allowed => String::new(),
                Verdict::Refused(refusal) => refusal.to_string(),
            },
            sent_bytes: sent,
            received_bytes: received,
        });
    }
}
