//! Our own certificate authority: makes itself, and issues peers' certificates.
//!
//! A **root** signs itself and is what peers believe. An **intermediate** is
//! signed by a root, so that the root's key can stay offline: what it issues
//! carries its own certificate along, and peers go on believing the root alone.
//!
//! Invariants: private keys are created with mode 0600 and never overwritten; a
//! certificate carries exactly one name, the peer's URI; a gateway's may only be
//! shown by a TLS client, an agent's and an authority's only by a TLS server; none
//! outlives its authority. There is no name constraint on the authority: webpki refuses an
//! authority that has one over URIs. `cofferdam pki` and `cofferdam dev` call
//! this.

mod begun;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use zeroize::{Zeroize, Zeroizing};

use self::begun::Begun;
use crate::digest::{hex, sha256};
use crate::lapse::Lapse;
use crate::name::{PeerName, Role};
use crate::private_file::{self, PrivateFileError};

/// How far two hosts' clocks may differ: certificates begin this much earlier.
pub const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// Ten years.
const AUTHORITY_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);
/// One year.
const INTERMEDIATE_LIFETIME: Duration = Duration::from_hours(365 * 24);

/// An authority's own certificate.
const CERTIFICATE: &str = "ca.crt";
/// Its key.
const KEY: &str = "ca.key";
/// The certificate of the root that signed an intermediate.
const ROOT: &str = "root.crt";

/// A certificate authority with its key at hand.
pub struct Authority {
    certificate_pem: String,
    /// Of the root above it; a root has none.
    root_pem: Option<String>,
    /// Of the root, its own or the one above.
    root_der: Vec<u8>,
    not_after: SystemTime,
    issuer: Issuer<'static, KeyPair>,
}

/// From when to when a certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// The first moment.
    pub not_before: SystemTime,
    /// The end.
    pub not_after: SystemTime,
}

/// A peer's new certificate and key, in PEM.
pub struct IssuedCertificate {
    name: PeerName,
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key, PKCS#8.
    pub key_pem: Zeroizing<String>,
}

/// Where an issued certificate was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// `NAME.crt`, mode 0644.
    pub certificate: PathBuf,
    /// `NAME.key`, mode 0600.
    pub key: PathBuf,
}

/// Why an authority could not be made, opened or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The authority's or a certificate's file could not be read or written.
    #[error("cannot {operation} `{path}`: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key file could not be used.
    #[error(transparent)]
    Key(#[from] PrivateFileError),
    /// The directory's two files are not an authority.
    #[error("`{path}` holds no usable certificate authority: {reason}")]
    NotAnAuthority {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The certificate would outlive its authority, or end before it begins.
    #[error("cannot issue a certificate for {name}: {reason}")]
    Lifetime {
        /// For whom.
        name: PeerName,
        /// What is wrong.
        reason: &'static str,
    },
    /// Whoever asks for a certificate did not ask for it properly.
    #[error(
        "the request for a certificate cannot be answered: {0}; it must be PKCS#10, with an ECDSA \
         key on P-256, and signed by that key"
    )]
    Request(#[source] rcgen::Error),
    /// An intermediate has none beneath it.
    #[error("an intermediate signs peers' certificates only; make it beneath the root")]
    Depth,
    /// The certificate library refused.
    #[error("cannot make the certificate: {0}")]
    Library(#[from] rcgen::Error),
}

impl Lifetime {
    /// From [`CLOCK_SKEW`] ago until `valid_for` from now.
    pub fn from_now(valid_for: Duration) -> Self {
        let now = SystemTime::now();
        Self { not_before: now - CLOCK_SKEW, not_after: now + valid_for }
    }
}

impl Authority {
    /// Makes a new authority: `ca.crt` and `ca.key` in `directory`, which is
    /// made (mode 0700) where it is missing. Refuses where there is one already.
    /// A key without a certificate is what a process left that was killed here, and is
    /// gone on with.
    pub fn create(directory: &Path) -> Result<Self, AuthorityError> {
        let mut begun = Begun::begin(directory, None)?;
        let lifetime = Lifetime::from_now(AUTHORITY_LIFETIME);
        let key = &begun.key;
        let certificate_pem = authority_params(key, lifetime, 1).self_signed(key)?.pem();
        begun.key.zeroize();
        begun.create_public(CERTIFICATE, &certificate_pem)?;
        Self::open(directory)
    }

    /// Makes an intermediate beneath this root: `ca.key`, `ca.crt` and `root.crt` in
    /// `directory`, which is made (mode 0700) where it is missing. It lasts a year,
    /// or as long as the root. Refuses where there is an authority already, and
    /// beneath an intermediate. What a killed process left is gone on with.
    pub fn create_intermediate(&self, directory: &Path) -> Result<Self, AuthorityError> {
        if self.root_pem.is_some() {
            return Err(AuthorityError::Depth);
        }
        let mut begun = Begun::begin(directory, Some(&self.certificate_pem))?;
        let mut lifetime = Lifetime::from_now(INTERMEDIATE_LIFETIME);
        lifetime.not_after = lifetime.not_after.min(self.not_after);
        let mut params = authority_params(&begun.key, lifetime, 0);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&begun.key, &self.issuer)?;
        begun.key.zeroize();
        begun.create_public(CERTIFICATE, &certificate.pem())?;
        Self::open(directory)
    }

    /// Opens the authority in `directory`.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        let not = |reason: &str| AuthorityError::NotAnAuthority {
            path: directory.to_owned(),
            reason: reason.to_owned(),
        };
        let path = directory.join(CERTIFICATE);
        let certificate_pem = fs::read_to_string(&path).map_err(failed("read", &path))?;
        let key_pem = private_file::read(&directory.join(KEY))?;
        let path = directory.join(ROOT);
        let root_pem = match fs::read_to_string(&path) {
            Ok(root) => Some(root),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let key = KeyPair::from_pem(&key_pem).map_err(|_| not("ca.key is no private key"))?;

        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| not("ca.crt is no certificate in PEM"))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der)
            .map_err(|_| not("ca.crt is no X.509 certificate"))?;
        if !parsed.is_ca() {
            return Err(not("ca.crt is not an authority's certificate"));
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(not("ca.key is not the key of ca.crt"));
        }
        let not_after = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        let not_after = SystemTime::UNIX_EPOCH + Duration::from_secs(not_after);
        let root_der = match &root_pem {
            Some(root) => is_signed_by(&parsed, root).map_err(not)?,
            None => der.to_vec(),
        };
        let issuer = Issuer::from_ca_cert_der(&der, key)?;
        Ok(Self { certificate_pem, root_pem, root_der, not_after, issuer })
    }

    /// The root's certificate in PEM: what peers are given to believe.
    pub fn certificate_pem(&self) -> &str {
        self.root_pem.as_deref().unwrap_or(&self.certificate_pem)
    }

    /// SHA-256 of the root's certificate (DER): what join tokens name it by.
    pub fn root_digest(&self) -> [u8; 32] {
        sha256(&self.root_der)
    }

    /// The root's certificate in DER.
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// When its own certificate ends.
    pub fn lapse(&self) -> Option<Lapse> {
        Lapse::of_chain(self.certificate_pem.as_bytes(), false).ok()
    }

    /// Whether a root is above it, whose key is elsewhere.
    pub fn is_intermediate(&self) -> bool {
        self.root_pem.is_some()
    }

    /// From when on nothing that it issued counts.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Makes a key and a certificate for a peer.
    pub fn issue(
        &self,
        name: &PeerName,
        lifetime: Lifetime,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let mut key = KeyPair::generate()?;
        let certificate_pem = self.certify(&key, name, lifetime)?;
        let key_pem = Zeroizing::new(key.serialize_pem());
        key.zeroize();
        Ok(IssuedCertificate { name: name.clone(), certificate_pem, key_pem })
    }

    /// Issues a certificate for the key of a request (PKCS#10 in DER), which proves
    /// by its signature that whoever asks has that key. Nothing but the key is taken
    /// from it: the name is whom the caller knows. Gives the chain in PEM.
    ///
    /// # Errors
    /// Where the request is none, is not signed by its own key, or has a key of
    /// another kind than ECDSA on P-256.
    pub fn answer(
        &self,
        request: &[u8],
        name: &PeerName,
        lifetime: Lifetime,
    ) -> Result<String, AuthorityError> {
        let asked = read_request(request)?;
        self.certify(&asked.public_key, name, lifetime)
    }

    /// SHA-256 of the key (SubjectPublicKeyInfo, DER) of a request that [`Self::answer`]
    /// would answer: two requests for one key have the same.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn request_key(request: &[u8]) -> Result<[u8; 32], AuthorityError> {
        read_request(request).map(|asked| sha256(&asked.public_key.subject_public_key_info()))
    }

    /// The chain in PEM: the peer's certificate, and an intermediate's own.
    fn certify(
        &self,
        key: &impl PublicKeyData,
        name: &PeerName,
        lifetime: Lifetime,
    ) -> Result<String, AuthorityError> {
        let refuse = |reason| AuthorityError::Lifetime { name: name.clone(), reason };
        if lifetime.not_after <= lifetime.not_before {
            return Err(refuse("it would end before it begins"));
        }
        if lifetime.not_after > self.not_after {
            return Err(refuse("it would outlive its authority; ask for less, or make a new one"));
        }
        let mut chain = peer_params(name, lifetime)?.signed_by(key, &self.issuer)?.pem();
        if self.root_pem.is_some() {
            chain.push_str(&self.certificate_pem);
        }
        Ok(chain)
    }
}

fn read_request(request: &[u8]) -> Result<CertificateSigningRequestParams, AuthorityError> {
    let asked = CertificateSigningRequestParams::from_der(&request.into());
    let asked = asked.map_err(AuthorityError::Request)?;
    if asked.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
        return Err(AuthorityError::Request(rcgen::Error::UnsupportedSignatureAlgorithm));
    }
    Ok(asked)
}

/// The root's certificate in DER if an intermediate's is its word, or why not.
fn is_signed_by(intermediate: &X509Certificate<'_>, root: &str) -> Result<Vec<u8>, &'static str> {
    let der = CertificateDer::from_pem_slice(root.as_bytes());
    let der = der.map_err(|_| "root.crt is no certificate in PEM")?;
    let (_, root) = x509_parser::parse_x509_certificate(&der)
        .map_err(|_| "root.crt is no X.509 certificate")?;
    intermediate
        .verify_signature(Some(root.public_key()))
        .map_err(|_| "ca.crt is not signed by the authority of root.crt")?;
    Ok(der.to_vec())
}

impl IssuedCertificate {
    /// Writes `NAME.key` (mode 0600) and `NAME.crt` (0644) into `directory`;
    /// refuses where one of them exists.
    pub fn write(&self, directory: &Path) -> Result<CertificateFiles, AuthorityError> {
        let name = self.name.name();
        let files = CertificateFiles {
            certificate: directory.join(format!("{name}.crt")),
            key: directory.join(format!("{name}.key")),
        };
        private_file::create(&files.key, self.key_pem.as_bytes())?;
        create_public(&files.certificate, &self.certificate_pem)?;
        Ok(files)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedCertificate").field("name", &self.name).finish_non_exhaustive()
    }
}

/// With how many authorities beneath.
fn authority_params(key: &KeyPair, lifetime: Lifetime, beneath: u8) -> CertificateParams {
    let mut params = params(lifetime);
    // Distinguishes two authorities in a file of several, during a rotation.
    let id = hex(&sha256(&key.subject_public_key_info())[..4]);
    params.distinguished_name = common_name(&format!("Cofferdam authority {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(beneath));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn peer_params(name: &PeerName, lifetime: Lifetime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params(lifetime);
    params.distinguished_name = common_name(name.name());
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(name.to_string())?)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match name.role() {
        Role::Gateway => ExtendedKeyUsagePurpose::ClientAuth,
        Role::Agent | Role::Authority => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(lifetime: Lifetime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = lifetime.not_before.into();
    params.not_after = lifetime.not_after.into();
    params
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

fn create_public(path: &Path, contents: &str) -> Result<(), AuthorityError> {
    private_file::create_whole(path, 0o644, contents.as_bytes()).map_err(failed("create", path))
}

fn failed<'p>(
    operation: &'static str,
    path: &'p Path,
) -> impl FnOnce(io::Error) -> AuthorityError + use<'p> {
    move |source| AuthorityError::File { operation, path: path.to_owned(), source }
}
