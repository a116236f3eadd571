//! TLS between an authority and whoever has no certificate yet, or none any more.
//!
//! The authority shows its certificate; the other side shows none, and proves by
//! what it says who it is. Before it has joined, a host recognises the authority by
//! the digest of the root certificate in its join token; afterwards by the roots
//! that it was given. The same rules as elsewhere hold: TLS 1.3, no resumption.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};

use super::verifier::{Expected, ServerVerifier};
use super::{HTTP2, TlsError};
use crate::digest::sha256;
use crate::identity::Identity;
use crate::name::Role;

/// By what an authority is recognised.
#[derive(Debug, Clone)]
pub enum Recognise {
    /// By the SHA-256 of the root certificate (DER) that its chain ends in.
    Root([u8; 32]),
    /// By the authorities that this identity believes.
    Believed(Arc<RootCertStore>),
}

impl Recognise {
    /// By what a peer that has joined believes.
    #[must_use]
    pub fn by(identity: &Identity) -> Self {
        Self::Believed(identity.roots())
    }

    /// What a chain has to end in, given the certificates that were shown with it.
    pub(super) fn roots(&self, shown: &[CertificateDer<'_>]) -> Result<Arc<RootCertStore>, Error> {
        let digest = match self {
            Self::Believed(roots) => return Ok(Arc::clone(roots)),
            Self::Root(digest) => digest,
        };
        let root = shown.iter().find(|certificate| sha256(certificate) == *digest);
        let root = root.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        Ok(Arc::new(roots))
    }
}

/// Why whoever answers is not taken for the authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoiningFailure {
    /// It is another one, or none.
    Stranger,
    /// Its certificate does not count at this time: one of both clocks is wrong.
    Clock,
}

/// What of TLS is behind an error of a connection to an authority, if that is it.
#[must_use]
pub fn joining_failure(error: &(dyn std::error::Error + 'static)) -> Option<JoiningFailure> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An I/O error hides what it was made of from whoever follows its sources.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let refused = match inner {
            Some(inner) => inner.downcast_ref::<Error>(),
            None => error.downcast_ref::<Error>(),
        };
        if let Some(Error::InvalidCertificate(reason)) = refused {
            return Some(match reason {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => JoiningFailure::Clock,
                _ => JoiningFailure::Stranger,
            });
        }
        next = error.source();
    }
    None
}

/// The configuration of an authority's listening end. It shows the roots beside its
/// chain, so that who knows a digest only can find the one it means.
///
/// # Errors
/// Where the identity is no authority's, or cannot be used.
pub fn joining_server_config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
    let own = identity.name();
    if own.role() != Role::Authority {
        return Err(TlsError::NotAnAuthority(own.clone()));
    }
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_with_roots())));
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The configuration of the end that talks to an authority.
///
/// # Errors
/// Where the library refuses its parameters.
pub fn joining_client_config(recognise: Recognise) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(default_provider());
    let verifier = ServerVerifier::new(recognise, Expected::Authority, &provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}
