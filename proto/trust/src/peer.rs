//! Who is at the other end of a connection, read from its certificate.
//!
//! The TLS verifiers check the chain and call [`peer_name`]; a connection then
//! carries a [`Peer`] in the extensions of each of its requests. The
//! connection outlives the moment of its handshake, so every RPC asks
//! [`Peer::is_current`] again; the fingerprint is what revocation will name.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::digest::sha256;
use crate::name::{NameError, PeerName};

/// The authenticated peer of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: PeerName,
    /// Its certificate is worth nothing from this time on.
    pub not_after: SystemTime,
    /// SHA-256 of its certificate in DER.
    pub fingerprint: [u8; 32],
}

/// Why a certificate names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Not an X.509 certificate that we understand.
    #[error("the certificate cannot be read as X.509")]
    Unreadable,
    /// No URI name, or several.
    #[error("the certificate has {0} URI names; a peer's has exactly one")]
    UriNames(usize),
    /// The URI name is none of ours.
    #[error("the certificate's URI name is no peer's: {0}")]
    Name(#[from] NameError),
    /// Another peer answered than the one expected.
    #[error("the peer is {found}, expected {expected}")]
    Unexpected {
        /// Who it is.
        found: PeerName,
        /// Who it must be.
        expected: String,
    },
}

impl Peer {
    /// Reads the peer from its certificate. Says nothing about who signed it.
    pub fn from_certificate(der: &[u8]) -> Result<Self, PeerError> {
        let certificate = parse(der)?;
        let name = name_of(&certificate)?;
        let not_after = certificate.validity().not_after.timestamp();
        let not_after = u64::try_from(not_after).map_err(|_| PeerError::Unreadable)?;
        let not_after = UNIX_EPOCH + Duration::from_secs(not_after);
        Ok(Self { name, not_after, fingerprint: sha256(der) })
    }

    /// Whether the certificate still counts at `now`.
    #[must_use]
    pub fn is_current(&self, now: SystemTime) -> bool {
        now < self.not_after
    }
}

/// The one URI name in a certificate.
pub(crate) fn peer_name(der: &[u8]) -> Result<PeerName, PeerError> {
    name_of(&parse(der)?)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, PeerError> {
    match parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(PeerError::Unreadable),
    }
}

fn name_of(certificate: &X509Certificate<'_>) -> Result<PeerName, PeerError> {
    let names = certificate.subject_alternative_name().map_err(|_| PeerError::Unreadable)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris[..] {
        [uri] => Ok(uri.parse()?),
        _ => Err(PeerError::UriNames(uris.len())),
    }
}
