//! TLS configurations for both ends of a gateway's connection to an agent.
//!
//! TLS 1.3 only, HTTP/2 only, both sides with certificates. Sessions are never
//! resumed: a resumed session would skip the certificate, and with it its end.

mod joining;
mod verifier;

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError};
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};

use crate::identity::Identity;
use crate::name::PeerName;

pub use joining::{
    JoiningFailure, Recognise, joining_client_config, joining_failure, joining_server_config,
};
use verifier::{ClientVerifier, Expected, ServerVerifier};

/// As ALPN calls it (RFC 9113).
const HTTP2: &[u8] = b"h2";

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The library refused the protocol version or the parameters.
    #[error("cannot set TLS up: {0}")]
    Library(#[from] rustls::Error),
    /// The library refused the authorities.
    #[error("cannot verify clients by these authorities: {0}")]
    Verifier(#[from] VerifierBuilderError),
    /// Only an authority certifies others.
    #[error("{0} is no authority, and cannot certify anybody")]
    NotAnAuthority(PeerName),
    /// An authority never serves or calls peers as one of them.
    #[error("{0} has no peers: gateways and agents have")]
    NoPeers(PeerName),
    /// The client end expects a peer that its own role never talks to.
    #[error(
        "{own} cannot be a client of {expected}: gateways talk with agents of their own trust domain only"
    )]
    WrongPeer {
        /// Who this is.
        own: PeerName,
        /// Whom it would talk to.
        expected: PeerName,
    },
}

/// The configuration of a listening end. It admits peers of the other role, of
/// its own trust domain, whose certificate comes from one of the identity's
/// authorities.
pub fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(default_provider());
    let counterpart = identity.name().role().counterpart();
    let role = counterpart.ok_or_else(|| TlsError::NoPeers(identity.name().clone()))?;
    let verifier = ClientVerifier::new(identity, role, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The configuration of a calling end that accepts `expected` and nobody else.
pub fn client_config(
    identity: &Identity,
    expected: &PeerName,
) -> Result<Arc<ClientConfig>, TlsError> {
    let own = identity.name();
    let is_counterpart = own.role().counterpart() == Some(expected.role());
    if !is_counterpart || expected.trust_domain() != own.trust_domain() {
        return Err(TlsError::WrongPeer { own: own.clone(), expected: expected.clone() });
    }
    let provider = Arc::new(default_provider());
    let expected = Expected::Peer(expected.clone());
    let verifier = ServerVerifier::new(Recognise::by(identity), expected, &provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}
