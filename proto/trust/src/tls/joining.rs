//! TLS between an authority and whoever has no certificate yet, or none any more.
//!
//! The authority shows its certificate; the other side shows none, and proves by
//! what it says who it is. Before it has joined, a host recognises the authority by
//! the digest of the root certificate in its join token; afterwards by the roots
//! that it was given. The same rules as elsewhere hold: TLS 1.3, no resumption.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

use super::verifier::{only_tls13, refused};
use super::{HTTP2, TlsError};
use crate::digest::sha256;
use crate::identity::Identity;
use crate::name::Role;
use crate::peer::{PeerError, peer_name};

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
    let algorithms = provider.signature_verification_algorithms;
    let verifier = AuthorityVerifier { recognise, algorithms };
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

#[derive(Debug)]
struct AuthorityVerifier {
    recognise: Recognise,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AuthorityVerifier {
    /// What the chain has to end in.
    fn roots(&self, shown: &[CertificateDer<'_>]) -> Result<Arc<RootCertStore>, Error> {
        let digest = match &self.recognise {
            Recognise::Believed(roots) => return Ok(Arc::clone(roots)),
            Recognise::Root(digest) => digest,
        };
        let root = shown.iter().find(|certificate| sha256(certificate) == *digest);
        let root = root.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        Ok(Arc::new(roots))
    }
}

impl ServerCertVerifier for AuthorityVerifier {
    /// The server name is what the connector filled in; only the URI counts.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let roots = self.roots(intermediates)?;
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        let found = peer_name(end_entity).map_err(refused)?;
        if found.role() != Role::Authority {
            let expected = "an authority".to_owned();
            return Err(refused(PeerError::Unexpected { found, expected }));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
