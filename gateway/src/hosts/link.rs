//! The way to one host: a channel for calls and one for large files, over connections
//! that the gateway makes, or that the host made.
//!
//! Invariant: each connection is the expected agent's, by a certificate that counts
//! and is not revoked. A connection outlives the moment of its handshake, so a channel
//! whose certificate lapsed is not used for another call; a new one takes its place,
//! while what goes on over the old one may end.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};
use cofferdam_trust::{
    Peer, PeerConnection, PeerName, channel, channel_for_streams, client_config,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::arrivals::Arrivals;
use super::ground::Ground;
use super::held::Held;

/// The way to one host.
#[derive(Debug)]
pub(super) struct Link {
    route: Arc<Route>,
    lines: ArcSwap<Lines>,
}

/// Whom it leads to, and how.
#[derive(Debug)]
struct Route {
    agent: PeerName,
    way: Way,
    ground: Arc<Ground>,
}

/// How connections come to be.
#[derive(Debug)]
enum Way {
    /// The gateway dials this address.
    Dials(String),
    /// The host dials the gateway.
    Arrives(Arrivals),
}

/// Both channels, as long as they are used.
#[derive(Debug)]
struct Lines {
    calls: Line,
    streams: Line,
    /// What comes over them counts for nothing any more.
    cut: CancellationToken,
}

/// One channel.
#[derive(Debug)]
struct Line {
    channel: Channel,
    /// Who was at the other end of its newest connection.
    met: Arc<ArcSwapOption<Peer>>,
}

/// What a channel is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Carries {
    Calls,
    Streams,
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<PeerConnection>> + Send>>;

impl Link {
    /// To `agent`, by `address` or, without one, by connections that it makes.
    /// Connects to nobody yet.
    pub(super) fn new(agent: PeerName, address: Option<String>, ground: Arc<Ground>) -> Self {
        let way = address.map_or_else(|| Way::Arrives(Arrivals::new()), Way::Dials);
        let route = Arc::new(Route { agent, way, ground });
        let lines = ArcSwap::from_pointee(Lines::new(&route));
        Self { route, lines }
    }

    /// Whom it leads to.
    pub(super) fn agent(&self) -> &PeerName {
        &self.route.agent
    }

    /// Where connections of the host arrive, if it makes them.
    pub(super) fn arrivals(&self) -> Option<&Arrivals> {
        match &self.route.way {
            Way::Dials(_) => None,
            Way::Arrives(arrivals) => Some(arrivals),
        }
    }

    /// Takes a connection that the host made.
    ///
    /// # Errors
    /// Where it is not believed.
    pub(super) fn arrived(&self, connection: PeerConnection) -> io::Result<()> {
        self.route.believe(connection.peer())?;
        if let Some(arrivals) = self.arrivals() {
            arrivals.put(connection);
        }
        Ok(())
    }

    /// The channel to use for a call now, and what tells that it was cut off.
    pub(super) fn line(&self, carries: Carries) -> (Channel, CancellationToken) {
        let lines = self.lines.load_full();
        if lines.of(carries).is_current(&self.route.ground) {
            return (lines.of(carries).channel.clone(), lines.cut.clone());
        }
        // Two that find it out at once make two: the later one stays.
        let lines = self.replace();
        (lines.of(carries).channel.clone(), lines.cut.clone())
    }

    /// Connects anew for whatever is called from here on; what goes on may end.
    pub(super) fn renew(&self) {
        if let Some(arrivals) = self.arrivals() {
            arrivals.clear();
        }
        self.replace();
    }

    /// Ends what goes on as well, where the other end is not believed any more.
    pub(super) fn cut_if_revoked(&self) {
        let lines = self.lines.load_full();
        let revoked = self.route.ground.revoked();
        let believed = [&lines.calls, &lines.streams]
            .iter()
            .all(|line| line.met.load().as_deref().is_none_or(|peer| revoked.believes(peer)));
        if !believed || revoked.names.contains(&self.route.agent) {
            self.renew();
            lines.cut.cancel();
        }
    }

    /// Who was met last on the connection for calls.
    #[cfg(test)]
    pub(super) fn met(&self) -> Option<Arc<Peer>> {
        self.lines.load().calls.met.load_full()
    }

    fn replace(&self) -> Arc<Lines> {
        let lines = Arc::new(Lines::new(&self.route));
        self.lines.store(Arc::clone(&lines));
        lines
    }
}

impl Lines {
    fn new(route: &Arc<Route>) -> Self {
        Self {
            calls: Line::new(route, Carries::Calls),
            streams: Line::new(route, Carries::Streams),
            cut: CancellationToken::new(),
        }
    }

    fn of(&self, carries: Carries) -> &Line {
        match carries {
            Carries::Calls => &self.calls,
            Carries::Streams => &self.streams,
        }
    }
}

impl Line {
    fn new(route: &Arc<Route>, carries: Carries) -> Self {
        let met = Arc::new(ArcSwapOption::default());
        let (route, sees) = (Arc::clone(route), Arc::clone(&met));
        let next = move || -> Connecting {
            let (route, sees) = (Arc::clone(&route), Arc::clone(&sees));
            Box::pin(async move {
                let connection = route.connect().await?;
                sees.store(Some(Arc::new(connection.peer().clone())));
                Ok(connection)
            })
        };
        let channel = match carries {
            Carries::Calls => channel(next),
            Carries::Streams => channel_for_streams(next),
        };
        Self { channel, met }
    }

    /// Whether its connection, if it has one, still counts for a call.
    fn is_current(&self, ground: &Ground) -> bool {
        let now = SystemTime::now();
        let met = self.met.load();
        met.as_deref().is_none_or(|peer| peer.is_current(now) && ground.revoked().believes(peer))
    }
}

impl Route {
    async fn connect(&self) -> io::Result<PeerConnection> {
        let connection = match &self.way {
            Way::Dials(address) => {
                let tls = client_config(&self.ground.identity(), &self.agent);
                PeerConnection::dial(address, tls.map_err(io::Error::other)?).await?
            }
            Way::Arrives(arrivals) => arrivals.next().await?,
        };
        self.believe(connection.peer())?;
        Ok(connection)
    }

    fn believe(&self, peer: &Peer) -> io::Result<()> {
        if peer.name == self.agent && self.ground.revoked().believes(peer) {
            return Ok(());
        }
        let held = Held::Revoked { host: self.agent.name().to_owned() };
        Err(io::Error::new(io::ErrorKind::PermissionDenied, held))
    }
}
