//! Certificate verifiers: webpki checks the chain, the validity and the key
//! usage; these add the peer's URI name.
//!
//! Rustls calls the verification by name «dangerous» because it replaces the
//! usual one by DNS name. Ours is stricter: a certificate from the right
//! authority counts only for the one peer that its URI names.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, SignatureScheme,
};

use super::Recognise;
use crate::identity::Identity;
use crate::name::{PeerName, Role};
use crate::peer::{PeerError, peer_name};

/// Verifies who calls: any peer of one role in one trust domain.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    trust_domain: String,
    role: Role,
}

/// Verifies who answers.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    recognise: Recognise,
    algorithms: WebPkiSupportedAlgorithms,
    expected: Expected,
}

/// Who has to answer.
#[derive(Debug)]
pub(super) enum Expected {
    /// Exactly this peer.
    Peer(PeerName),
    /// An authority, whatever its name.
    Authority,
}

impl ClientVerifier {
    pub(super) fn new(
        identity: &Identity,
        role: Role,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let chain =
            WebPkiClientVerifier::builder_with_provider(identity.roots(), Arc::clone(provider))
                .build()?;
        let trust_domain = identity.name().trust_domain().to_owned();
        Ok(Self { chain, trust_domain, role })
    }

    fn check_name(&self, certificate: &CertificateDer<'_>) -> Result<(), PeerError> {
        let found = peer_name(certificate)?;
        if found.role() == self.role && found.trust_domain() == self.trust_domain {
            return Ok(());
        }
        let expected = format!("a peer named spiffe://{}/{}/…", self.trust_domain, self.role);
        Err(PeerError::Unexpected { found, expected })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        self.check_name(end_entity).map_err(refused)?;
        Ok(verified)
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
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

impl ServerVerifier {
    pub(super) fn new(recognise: Recognise, expected: Expected, provider: &CryptoProvider) -> Self {
        Self { recognise, algorithms: provider.signature_verification_algorithms, expected }
    }

    fn check_name(&self, certificate: &CertificateDer<'_>) -> Result<(), PeerError> {
        let found = peer_name(certificate)?;
        let expected = match &self.expected {
            Expected::Peer(peer) if found == *peer => return Ok(()),
            Expected::Authority if found.role() == Role::Authority => return Ok(()),
            Expected::Peer(peer) => peer.to_string(),
            Expected::Authority => "an authority".to_owned(),
        };
        Err(PeerError::Unexpected { found, expected })
    }
}

impl ServerCertVerifier for ServerVerifier {
    /// The server name is what the connector filled in; only the URI counts.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let roots = self.recognise.roots(intermediates)?;
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        self.check_name(end_entity).map_err(refused)?;
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

/// Carries a [`PeerError`] through rustls, which prints what it does not know
/// by `Debug`.
struct Refused(PeerError);

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Refused {}

fn refused(error: PeerError) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused(error)))))
}

fn only_tls13() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)
}
