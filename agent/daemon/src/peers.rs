//! Authorises every RPC by the certificate of its connection.
//!
//! A connection outlives the moment of its handshake: the name is looked up in
//! the ceiling and the certificate's end is looked at for each call anew. Only
//! this module makes a [`Gateway`], and every service asks for one.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use cofferdam_ceiling::Ceiling;
use cofferdam_trust::{Peer, PeerName, Role};
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::ceiling::Ceilings;
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
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The connection has no authenticated peer.
    #[error("the connection has no client certificate")]
    Anonymous,
    /// Not a gateway's certificate.
    #[error("{0} is no gateway; only gateways call agents")]
    NotAGateway(PeerName),
    /// Not a gateway of this host.
    #[error(
        "{0} is not in `peers.gateways` of this host's ceiling; its owner would add it there if it \
         may act here"
    )]
    NotAllowed(PeerName),
    /// The certificate ended while the connection was open.
    #[error("the certificate of {0} has expired; connect again with a new one")]
    Expired(PeerName),
}

/// Decides whether `peer` may call now.
///
/// # Errors
/// See [`PeerError`].
pub fn authorise(
    peer: Option<&Peer>,
    ceiling: &Ceiling,
    now: SystemTime,
) -> Result<Gateway, PeerError> {
    let Peer { name, .. } = peer.ok_or(PeerError::Anonymous)?;
    if name.role() != Role::Gateway {
        return Err(PeerError::NotAGateway(name.clone()));
    }
    let allowed = ceiling.peers.gateways.iter().any(|allowed| *allowed == name.to_string());
    if !allowed {
        return Err(PeerError::NotAllowed(name.clone()));
    }
    if !peer.is_some_and(|peer| peer.is_current(now)) {
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
    recorder: Arc<Recorder>,
}

impl PeersLayer {
    /// With the ceiling that decides and the journal that remembers refusals.
    #[must_use]
    pub fn new(ceilings: Arc<Ceilings>, recorder: Arc<Recorder>) -> Self {
        Self { ceilings, recorder }
    }

    fn check(&self, request: &Request<Body>) -> Result<Gateway, Fault> {
        let current = self.ceilings.current()?;
        let peer = request.extensions().get::<Peer>();
        Ok(authorise(peer, &current.ceiling, SystemTime::now())?)
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
        match self.peers.check(&request) {
            Ok(gateway) => {
                request.extensions_mut().insert(gateway);
                Box::pin(self.inner.call(request))
            }
            Err(fault) => {
                let peer = request.extensions().get::<Peer>().map(|peer| &peer.name);
                self.peers.recorder.refused_peer(peer, request.uri().path(), &fault);
                Box::pin(std::future::ready(Ok(fault.into_status().into_http())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ceiling() -> Ceiling {
        Ceiling::parse(include_str!("../../../packaging/config/ceiling.toml")).unwrap()
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
        let main = peer("spiffe://cofferdam/gateway/main");
        assert!(authorise(Some(&main), &ceiling(), at(999)).is_ok());
        let refused = authorise(Some(&main), &ceiling(), at(1000)).unwrap_err();
        assert_eq!(refused, PeerError::Expired(main.name.clone()));
    }

    #[test]
    fn strangers_agents_and_the_unnamed_may_not_call() {
        let refused = |peer: Option<&Peer>| authorise(peer, &ceiling(), at(0)).unwrap_err();
        assert_eq!(refused(None), PeerError::Anonymous);
        let other = peer("spiffe://cofferdam/gateway/other");
        assert_eq!(refused(Some(&other)), PeerError::NotAllowed(other.name.clone()));
        let agent = peer("spiffe://cofferdam/agent/main");
        assert_eq!(refused(Some(&agent)), PeerError::NotAGateway(agent.name.clone()));
        let domain = peer("spiffe://elsewhere/gateway/main");
        assert_eq!(refused(Some(&domain)), PeerError::NotAllowed(domain.name.clone()));
    }
}
