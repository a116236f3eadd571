//! Ed25519 keys that sign intents, receipts, journal checkpoints and rules.
//!
//! A signature is made for one [`Purpose`] and never verifies for another: the
//! purpose's text stands before the signed bytes. A private key leaves this
//! module only into a file of mode 0600.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use zeroize::{Zeroize, Zeroizing};

use crate::digest::{hex, sha256};
use crate::private_file::{self, PrivateFileError};

const PREFIX: &str = "ed25519:";

/// A private key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

/// The public half of a [`SigningKey`]. Its text is `ed25519:` and base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyingKey([u8; 32]);

/// The public keys that a peer believes, by key id.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(BTreeMap<String, VerifyingKey>);

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A gateway's word for one action.
    Intent,
    /// An agent's word for what it did.
    Receipt,
    /// A journal's state at one record.
    Checkpoint,
    /// A journal's last record, kept beside it.
    Head,
    /// A journal owner's change from one signing key to the next.
    KeyChange,
    /// A publisher's word for a set of rules.
    Policy,
    /// A host's first words to an authority.
    Join,
    /// A host that asks for its next certificate.
    Renew,
    /// A host that wants to hear of changes in whom to trust.
    Watch,
    /// An authority's word for whom to trust.
    Trust,
}

impl Purpose {
    /// What stands before the signed bytes; it ends in a zero byte, so that no
    /// context begins another.
    fn context(self) -> &'static [u8] {
        match self {
            Self::Intent => b"cofferdam intent v1\0",
            Self::Receipt => b"cofferdam receipt v1\0",
            Self::Checkpoint => b"cofferdam checkpoint v1\0",
            Self::Head => b"cofferdam head v1\0",
            Self::KeyChange => b"cofferdam key change v1\0",
            Self::Policy => b"cofferdam policy v1\0",
            Self::Join => b"cofferdam join v1\0",
            Self::Renew => b"cofferdam renew v1\0",
            Self::Watch => b"cofferdam watch v1\0",
            Self::Trust => b"cofferdam trust v1\0",
        }
    }

    fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.context(), bytes].concat()
    }
}

/// Why a key could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no randomness, or the library failed.
    #[error("cannot make a signing key: the cryptographic library failed")]
    Generate,
    /// The key file could not be read or written.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file holds something else.
    #[error(
        "`{0}` holds no Ed25519 private key in PKCS#8 PEM; name the file that was made as the signing key"
    )]
    NotASigningKey(PathBuf),
    /// The text is no public key.
    #[error("`{0}` is not a public key; write `ed25519:` and the base64 of its 32 bytes")]
    NotAPublicKey(String),
}

impl SigningKey {
    /// Makes a new key.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?;
        Ok(Self::from_pair(pair))
    }

    /// Reads a key from a PKCS#8 PEM file that only its owner may open.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let pem = private_file::read(path)?;
        let wrong = || KeyError::NotASigningKey(path.to_owned());
        let mut der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong())?;
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der());
        der.zeroize();
        pair.map(Self::from_pair).map_err(|_| wrong())
    }

    /// Writes the key as PKCS#8 PEM to a new file of mode 0600.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let der = self.pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?;
        let body = Zeroizing::new(BASE64_STANDARD.encode(der.as_ref()));
        let mut pem = Zeroizing::new(String::with_capacity(body.len() * 2 + 64));
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        for line in body.as_bytes().chunks(64) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(private_file::create(path, pem.as_bytes())?)
    }

    /// Lower-case hex SHA-256 of the raw public key.
    pub fn key_id(&self) -> String {
        self.public.key_id()
    }

    /// The public half.
    pub fn public_key(&self) -> VerifyingKey {
        self.public
    }

    /// Signs `bytes` for one purpose.
    pub fn sign(&self, purpose: Purpose, bytes: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(&purpose.message(bytes)).as_ref());
        out
    }

    fn from_pair(pair: Ed25519KeyPair) -> Self {
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self { pair, public: VerifyingKey(public) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// Lower-case hex SHA-256 of the raw public key.
    pub fn key_id(&self) -> String {
        hex(&sha256(&self.0))
    }

    /// Whether `signature` is this key's over `bytes` for `purpose`.
    #[must_use]
    pub fn verifies(&self, purpose: Purpose, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(&purpose.message(bytes), signature).is_ok()
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.strip_prefix(PREFIX)
            .and_then(|body| BASE64_STANDARD.decode(body).ok())
            .and_then(|raw| raw.try_into().ok())
            .map(Self)
            .ok_or_else(|| KeyError::NotAPublicKey(text.to_owned()))
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl serde::Serialize for VerifyingKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for VerifyingKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl TrustedKeys {
    /// Believes `key` from now on.
    pub fn insert(&mut self, key: VerifyingKey) {
        self.0.insert(key.key_id(), key);
    }

    /// The key with this id, if it is believed.
    pub fn get(&self, key_id: &str) -> Option<&VerifyingKey> {
        self.0.get(key_id)
    }

    /// Whether no key is believed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every key, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.values()
    }
}

impl FromIterator<VerifyingKey> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| (key.key_id(), key)).collect())
    }
}
