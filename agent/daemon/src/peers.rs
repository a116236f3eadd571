//! Authorises every RPC by the certificate of its connection.
//!
//! A connection outlives the moment of its handshake: the name is looked up in
//! the ceiling, and the certificate's end and the newest trust list are looked at,
//! for each call anew and at each message of one that goes on (`peers/stream.rs`). Only
//! this module makes a [`Gateway`], and every service asks for one.

mod stream;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use cofferdam_trust::{Peer, PeerName, Role};
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::ceiling::{Ceilings, Peers};
use crate::enrolment::Standing;
use crate::fault::Fault;
use crate::record::Recorder;

/// A gateway that may call this agent now.
#[derive(Debug, Clone)]
pub struct Gateway {
    name: PeerName,
}

impl Gateway {
    /// Its name, as its certificate says it.
    #[must_use]
    pub fn name(&self) -> &PeerName {
        &self.name
    }
}

/// Why a peer may not call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The connection has no authenticated peer.
    #[error("the connection has no client certificate")]
    Anonymous,
    /// Not a gateway's certificate.
    #[error("{0} is no gateway; only gateways call agents")]
    NotAGateway(PeerName),
    /// Not a gateway of this host.
    #[error(
        "{0} is not in `peers.gateways` of this host's ceiling, nor named by the authority that it \
         enrolled with where `peers.enrolled` lets that count; its owner would add it there if it \
         may act here"
    )]
    NotAllowed(PeerName),
    /// The authority took its word back.
    #[error("{0} was revoked by the authority that this host enrolled with")]
    Revoked(PeerName),
    /// The certificate ended while the connection was open.
    #[error("the certificate of {0} has expired; connect again with a new one")]
    Expired(PeerName),
    /// The same, in the middle of a call.
    #[error("the certificate of {0} ended during the call; attach again with a new one")]
    Lapsed(PeerName),
}

/// Decides whether `peer` may call now.
///
/// # Errors
/// See [`PeerError`].
pub fn authorise(
    peer: Option<&Peer>,
    peers: &Peers,
    standing: &Standing,
    now: SystemTime,
) -> Result<Gateway, PeerError> {
    let peer = peer.ok_or(PeerError::Anonymous)?;
    let name = &peer.name;
    if name.role() != Role::Gateway {
        return Err(PeerError::NotAGateway(name.clone()));
    }
    if standing.revokes(peer) {
        return Err(PeerError::Revoked(name.clone()));
    }
    if !peers.allows(name, standing.knows(name, now)) {
        return Err(PeerError::NotAllowed(name.clone()));
    }
    if !peer.is_current(now) {
        return Err(PeerError::Expired(name.clone()));
    }
    Ok(Gateway { name: name.clone() })
}

/// The gateway that the layer has let through.
///
/// # Errors
/// Where a service is not behind the layer: nobody may call it then.
#[allow(clippy::result_large_err, reason = "tonic's services return its status by value")]
pub fn gateway<T>(request: &tonic::Request<T>) -> Result<Gateway, tonic::Status> {
    let gateway = request.extensions().get::<Gateway>().cloned();
    gateway.ok_or_else(|| Fault::from(PeerError::Anonymous).into_status())
}

/// Puts [`authorise`] before every service, health checks included.
#[derive(Debug, Clone)]
pub struct PeersLayer {
    ceilings: Arc<Ceilings>,
    standing: Arc<Standing>,
    recorder: Arc<Recorder>,
}

impl PeersLayer {
    /// With the ceiling and the trust list that decide, and the journal that
    /// remembers refusals.
    #[must_use]
    pub fn new(ceilings: Arc<Ceilings>, standing: Arc<Standing>, recorder: Arc<Recorder>) -> Self {
        Self { ceilings, standing, recorder }
    }

    fn check(&self, peer: Option<&Peer>) -> Result<Gateway, Fault> {
        let current = self.ceilings.current()?;
        let now = SystemTime::now();
        let gateway = authorise(peer, &current.peers, &self.standing, now)?;
        if let Some(peer) = peer {
            self.standing.saw(peer);
        }
        Ok(gateway)
    }

    /// Decides the same for a call that goes on. A certificate that ended meanwhile
    /// is no reason to end it as long as its peer has shown a newer one here.
    fn check_again(&self, peer: &Peer) -> Result<(), Fault> {
        let current = self.ceilings.current()?;
        let now = SystemTime::now();
        match authorise(Some(peer), &current.peers, &self.standing, now) {
            Err(PeerError::Expired(name)) if self.standing.has_renewed(&name, now) => Ok(()),
            Err(PeerError::Expired(name)) => Err(PeerError::Lapsed(name).into()),
            decided => Ok(decided.map(drop)?),
        }
    }
}

impl<S> Layer<S> for PeersLayer {
    type Service = Authorised<S>;

    fn layer(&self, inner: S) -> Authorised<S> {
        Authorised { inner, peers: self.clone() }
    }
}

/// A service that only authorised peers reach.
#[derive(Debug, Clone)]
pub struct Authorised<S> {
    inner: S,
    peers: PeersLayer,
}

impl<S> Service<Request<Body>> for Authorised<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send + 'static>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let peer = request.extensions().get::<Peer>().cloned();
        match (self.peers.check(peer.as_ref()), peer) {
            (Ok(gateway), Some(peer)) => {
                request.extensions_mut().insert(gateway);
                let path = request.uri().path().to_owned();
                let watch = stream::Watch::new(self.peers.clone(), peer, path);
                let call = self.inner.call(request.map(|body| watch.over_request(body)));
                Box::pin(async move { Ok(call.await?.map(|body| watch.over_response(body))) })
            }
            (decided, peer) => {
                let fault = decided.err().unwrap_or_else(|| PeerError::Anonymous.into());
                self.peers.recorder.refused_peer(
                    peer.as_ref().map(|peer| &peer.name),
                    request.uri().path(),
                    &fault,
                );
                Box::pin(std::future::ready(Ok(fault.into_status().into_http())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn peers() -> Peers {
        toml::from_str("gateways = ['spiffe://cofferdam/gateway/main']").unwrap()
    }

    fn peer(name: &str) -> Peer {
        let not_after = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        Peer { name: name.parse().unwrap(), not_after, fingerprint: [0; 32] }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_gateway_of_the_ceiling_may_call_until_its_certificate_ends() {
        let (main, standing) = (peer("spiffe://cofferdam/gateway/main"), Standing::default());
        assert!(authorise(Some(&main), &peers(), &standing, at(999)).is_ok());
        let refused = authorise(Some(&main), &peers(), &standing, at(1000)).unwrap_err();
        assert_eq!(refused, PeerError::Expired(main.name.clone()));
    }

    #[test]
    fn strangers_agents_and_the_unnamed_may_not_call() {
        let standing = Standing::default();
        let refused =
            |peer: Option<&Peer>| authorise(peer, &peers(), &standing, at(0)).unwrap_err();
        assert_eq!(refused(None), PeerError::Anonymous);
        let other = peer("spiffe://cofferdam/gateway/other");
        assert_eq!(refused(Some(&other)), PeerError::NotAllowed(other.name.clone()));
        let agent = peer("spiffe://cofferdam/agent/main");
        assert_eq!(refused(Some(&agent)), PeerError::NotAGateway(agent.name.clone()));
        let domain = peer("spiffe://elsewhere/gateway/main");
        assert_eq!(refused(Some(&domain)), PeerError::NotAllowed(domain.name.clone()));
    }
}
