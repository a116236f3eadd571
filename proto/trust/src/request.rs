//! A peer's own key, made where it is used and never anywhere else, and the
//! request by which an authority is asked for a certificate.
//!
//! Agents make theirs at enrolment; for a renewal they ask again with the same
//! key, or with a new one.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use zeroize::{Zeroize, Zeroizing};

use crate::private_file::{self, PrivateFileError};

/// A peer's private key for TLS: ECDSA on P-256.
pub struct PeerKey(KeyPair);

/// Why a peer's key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum PeerKeyError {
    /// The key's file.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The library refused, or the file holds something else.
    #[error("cannot use the key for TLS: {0}")]
    Library(#[from] rcgen::Error),
}

impl PeerKey {
    /// Makes a new key; it is nowhere but in memory.
    pub fn generate() -> Result<Self, PeerKeyError> {
        Ok(Self(KeyPair::generate()?))
    }

    /// Reads the key from a PKCS#8 PEM file that only its owner may open.
    pub fn load(path: &Path) -> Result<Self, PeerKeyError> {
        Ok(Self(KeyPair::from_pem(&private_file::read(path)?)?))
    }

    /// Writes the key as PKCS#8 PEM to a new file of mode 0600.
    pub fn save(&self, path: &Path) -> Result<(), PeerKeyError> {
        let pem = Zeroizing::new(self.0.serialize_pem());
        Ok(private_file::create(path, pem.as_bytes())?)
    }

    /// Reads the key from PKCS#8 PEM, which whoever has it keeps as it kept the rest.
    pub fn from_pem(pem: &str) -> Result<Self, PeerKeyError> {
        Ok(Self(KeyPair::from_pem(pem)?))
    }

    /// The key as PKCS#8 PEM, for a file that only its owner may open.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    /// Asks for a certificate: PKCS#10 (RFC 2986) in DER, signed by this key. It
    /// names nobody: an authority gives the name that it knows the asker by.
    pub fn request(&self) -> Result<Vec<u8>, PeerKeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        Ok(params.serialize_request(&self.0)?.der().to_vec())
    }
}

impl Drop for PeerKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerKey").finish_non_exhaustive()
    }
}
