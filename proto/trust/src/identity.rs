//! A peer's own certificate chain and key, and the authorities it believes.
//!
//! Loading checks what can be checked without a clock: the files' form, the key
//! file's mode, that key and certificate belong together, and that the
//! certificate names a peer. An expired certificate loads, so that a daemon that
//! slept can still start and renew; the other side refuses it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::lapse::Lapse;
use crate::name::PeerName;
use crate::peer::{Peer, PeerError};
use crate::private_file::{self, PrivateFileError};

/// Who this process is, and whom it believes.
#[derive(Debug, Clone)]
pub struct Identity {
    own: Peer,
    certified: Arc<CertifiedKey>,
    roots: Arc<RootCertStore>,
    /// The same as certificates, to be shown to who knows their digests only.
    authorities: Vec<CertificateDer<'static>>,
}

/// Why an identity could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A certificate file could not be read.
    #[error("cannot read the certificate file `{path}`: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A certificate file holds no certificate in PEM.
    #[error("`{0}` holds no certificate in PEM; name the .crt file that `cofferdam pki` made")]
    NoCertificate(PathBuf),
    /// The key file could not be used.
    #[error(transparent)]
    Key(#[from] PrivateFileError),
    /// The key file holds no private key.
    #[error(
        "`{0}` holds no private key in PEM; name the .key file that belongs to the certificate"
    )]
    NoKey(PathBuf),
    /// The key is another certificate's.
    #[error("the key `{key}` does not belong to the certificate `{certificate}`: {reason}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the library says.
        reason: rustls::Error,
    },
    /// The certificate names no gateway or agent.
    #[error("the certificate `{path}` cannot be a peer's: {source}")]
    Peer {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: PeerError,
    },
    /// An authority's certificate cannot be used.
    #[error("the authority's certificate in `{path}` cannot be used: {source}")]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

impl Identity {
    /// Loads a certificate chain, its key, and the certificates of the
    /// authorities to believe (one file, one or more in PEM).
    pub fn load(certificate: &Path, key: &Path, authorities: &Path) -> Result<Self, IdentityError> {
        let chain = read_certificates(certificate)?;
        let own = Peer::from_certificate(&chain[0])
            .map_err(|source| IdentityError::Peer { path: certificate.to_owned(), source })?;
        let certified = certify(certificate, chain, key)?;
        let (roots, authorities) = read_authorities(authorities)?;
        let (certified, roots) = (Arc::new(certified), Arc::new(roots));
        Ok(Self { own, certified, roots, authorities })
    }

    /// The same of texts that are kept together, at `place`: the chain and its key in
    /// PEM, the authorities as certificates in DER.
    pub fn from_parts(
        place: &Path,
        chain: &str,
        key: &str,
        authorities: &[Vec<u8>],
    ) -> Result<Self, IdentityError> {
        let chain = certificates(place, chain.as_bytes())?;
        let own = Peer::from_certificate(&chain[0])
            .map_err(|source| IdentityError::Peer { path: place.to_owned(), source })?;
        let certified = certify_with(place, chain, place, key)?;
        let authorities = authorities.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let (roots, authorities) = believe(place, authorities)?;
        let (certified, roots) = (Arc::new(certified), Arc::new(roots));
        Ok(Self { own, certified, roots, authorities })
    }

    /// This peer's name, from its certificate.
    pub fn name(&self) -> &PeerName {
        &self.own.name
    }

    /// This peer as others see it: name, end of validity and fingerprint.
    pub fn own(&self) -> &Peer {
        &self.own
    }

    /// How long its certificate counts.
    #[must_use]
    pub fn lapse(&self, by_itself: bool) -> Lapse {
        let ends = self.own.not_after;
        let own = self.certified.cert.first();
        let lapse = own.and_then(|der| Lapse::of_certificate(der, by_itself).ok());
        // It was read before, or there were no identity.
        lapse.unwrap_or(Lapse { begins: ends, ends, by_itself })
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// Its chain with the roots behind it.
    pub(crate) fn certified_with_roots(&self) -> CertifiedKey {
        let CertifiedKey { cert, key, .. } = &*self.certified;
        let chain = cert.iter().chain(&self.authorities).cloned().collect();
        CertifiedKey::new(chain, Arc::clone(key))
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let bytes =
        fs::read(path).map_err(|source| IdentityError::Read { path: path.to_owned(), source })?;
    certificates(path, &bytes)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| IdentityError::NoCertificate(path.to_owned()))
}

fn certify(
    certificate: &Path,
    chain: Vec<CertificateDer<'static>>,
    key: &Path,
) -> Result<CertifiedKey, IdentityError> {
    let pem = private_file::read(key)?;
    certify_with(certificate, chain, key, &pem)
}

fn certify_with(
    certificate: &Path,
    chain: Vec<CertificateDer<'static>>,
    key: &Path,
    pem: &str,
) -> Result<CertifiedKey, IdentityError> {
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| IdentityError::NoKey(key.to_owned()))?;
    CertifiedKey::from_der(chain, der, &default_provider()).map_err(|reason| {
        IdentityError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned(), reason }
    })
}

fn read_authorities(
    path: &Path,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), IdentityError> {
    believe(path, read_certificates(path)?)
}

fn believe(
    path: &Path,
    authorities: Vec<CertificateDer<'static>>,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), IdentityError> {
    let mut roots = RootCertStore::empty();
    for authority in &authorities {
        roots
            .add(authority.clone())
            .map_err(|source| IdentityError::Authority { path: path.to_owned(), source })?;
    }
    Ok((roots, authorities))
}
