//! The trust list: whom to believe, as an authority says.
//!
//! It names the roots, the gateways with their signing keys, and those that count for
//! nothing any more. Each list has a higher version than the one before it, and names
//! the keys that may sign the next ones. Who keeps lists takes none that is older
//! than the newest it saw; that memory is theirs, not this module's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_proto::join::v1::{self as wire, SignedTrustList};
use prost::Message;
use prost_types::Timestamp;

use crate::name::PeerName;
use crate::peer::Peer;
use crate::signed::{SignatureError, verify_up_to};
use crate::signing::{Purpose, SigningKey, TrustedKeys, VerifyingKey};

/// The longest list, in bytes, that is looked at.
pub const MAX_TRUST_LIST: usize = 256 * 1024;

/// What an authority that is believed says. [`TrustList::verify`] gives one, and an
/// authority makes its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustList {
    /// 1 or more.
    pub version: u64,
    /// In which all of its names are.
    pub trust_domain: String,
    /// When it was made.
    pub issued_at: SystemTime,
    /// It says nothing new after this; what it revoked stays revoked.
    pub expires_at: SystemTime,
    /// Roots' certificates in DER; at least one.
    pub roots: Vec<Vec<u8>>,
    /// Who may sign the next lists; at least one.
    pub signers: Vec<VerifyingKey>,
    /// The gateways.
    pub gateways: Vec<GatewayKeys>,
    /// Peers that count for nothing, whatever certificate they show.
    pub revoked_names: Vec<PeerName>,
    /// SHA-256 of certificates (DER) that count for nothing.
    pub revoked_certificates: Vec<[u8; 32]>,
}

/// A gateway, and the keys that sign its intents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayKeys {
    /// Who it is.
    pub name: PeerName,
    /// Its keys.
    pub signing_keys: Vec<VerifyingKey>,
}

/// Why a trust list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustListError {
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Signed, and yet wrong.
    #[error("the trust list is signed but wrong: {0}; its authority runs another version")]
    Content(&'static str),
}

impl TrustList {
    /// Signs the list.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> SignedTrustList {
        let list = self.to_wire().encode_to_vec();
        let signature = key.sign(Purpose::Trust, &list).to_vec();
        SignedTrustList { list, key_id: key.key_id(), signature }
    }

    /// The list inside, if one of `signers` signed it: those of the list before it.
    ///
    /// # Errors
    /// See [`TrustListError`].
    pub fn verify(signers: &TrustedKeys, signed: &SignedTrustList) -> Result<Self, TrustListError> {
        let SignedTrustList { list, key_id, signature } = signed;
        let what = "trust list";
        let list: wire::TrustList =
            verify_up_to(MAX_TRUST_LIST, signers, what, Purpose::Trust, list, key_id, signature)?;
        Self::from_wire(list)
    }

    /// The list inside a first one, which has to be signed by a key that it names
    /// itself. That it is the authority's is shown by the connection that it came over.
    ///
    /// # Errors
    /// See [`TrustListError`].
    pub fn verify_first(signed: &SignedTrustList) -> Result<Self, TrustListError> {
        let what = "trust list";
        let length = signed.list.len();
        if length > MAX_TRUST_LIST {
            return Err(SignatureError::TooLong { what, length, most: MAX_TRUST_LIST }.into());
        }
        let said = wire::TrustList::decode(signed.list.as_slice())
            .map_err(|error| SignatureError::Undecodable { what, reason: error.to_string() })?;
        Self::verify(&said.signers.iter().filter_map(|key| key.parse().ok()).collect(), signed)
    }

    /// Whether this peer counts for nothing.
    #[must_use]
    pub fn revokes(&self, peer: &Peer) -> bool {
        self.revoked_names.contains(&peer.name)
            || self.revoked_certificates.contains(&peer.fingerprint)
    }

    /// Those who may sign the next list.
    #[must_use]
    pub fn next_signers(&self) -> TrustedKeys {
        self.signers.iter().copied().collect()
    }

    fn to_wire(&self) -> wire::TrustList {
        let Self { version, trust_domain, issued_at, expires_at, .. } = self;
        let gateway = |it: &GatewayKeys| wire::TrustedGateway {
            name: it.name.to_string(),
            signing_keys: it.signing_keys.iter().map(ToString::to_string).collect(),
        };
        wire::TrustList {
            version: *version,
            trust_domain: trust_domain.clone(),
            issued_at: Some(Timestamp::from(*issued_at)),
            expires_at: Some(Timestamp::from(*expires_at)),
            roots: self.roots.clone(),
            signers: self.signers.iter().map(ToString::to_string).collect(),
            gateways: self.gateways.iter().map(gateway).collect(),
            revoked_names: self.revoked_names.iter().map(ToString::to_string).collect(),
            revoked_certificates: self.revoked_certificates.iter().map(|it| it.to_vec()).collect(),
        }
    }

    fn from_wire(list: wire::TrustList) -> Result<Self, TrustListError> {
        let wire::TrustList {
            version,
            trust_domain,
            issued_at,
            expires_at,
            roots,
            signers,
            gateways,
            revoked_names,
            revoked_certificates,
        } = list;
        let wrong = TrustListError::Content;
        if version == 0 {
            return Err(wrong("its version is 0"));
        }
        if roots.is_empty() || signers.is_empty() {
            return Err(wrong("it names no root or nobody who may sign the next one"));
        }
        let certificate = |it: Vec<u8>| it.try_into().map_err(|_| wrong("a digest is none"));
        let list = Self {
            version,
            issued_at: time(issued_at).ok_or(wrong("it does not say when it was made"))?,
            expires_at: time(expires_at).ok_or(wrong("it does not say when it ends"))?,
            roots,
            signers: keys(&signers)?,
            gateways: gateways.into_iter().map(gateway_keys).collect::<Result<_, _>>()?,
            revoked_names: revoked_names.iter().map(|it| name(it)).collect::<Result<_, _>>()?,
            revoked_certificates: revoked_certificates
                .into_iter()
                .map(certificate)
                .collect::<Result<_, _>>()?,
            trust_domain,
        };
        let mut names = list.gateways.iter().map(|it| &it.name).chain(&list.revoked_names);
        if names.any(|name| name.trust_domain() != list.trust_domain) {
            return Err(wrong("a name in it is of another trust domain"));
        }
        Ok(list)
    }
}

fn gateway_keys(gateway: wire::TrustedGateway) -> Result<GatewayKeys, TrustListError> {
    let wire::TrustedGateway { name: text, signing_keys } = gateway;
    Ok(GatewayKeys { name: name(&text)?, signing_keys: keys(&signing_keys)? })
}

fn name(text: &str) -> Result<PeerName, TrustListError> {
    text.parse().map_err(|_| TrustListError::Content("a name in it is no peer's"))
}

fn keys(texts: &[String]) -> Result<Vec<VerifyingKey>, TrustListError> {
    let wrong = |_| TrustListError::Content("a key in it is no public key");
    texts.iter().map(|text| text.parse().map_err(wrong)).collect()
}

fn time(stamp: Option<Timestamp>) -> Option<SystemTime> {
    let Timestamp { seconds, nanos } = stamp?;
    let since = Duration::new(seconds.try_into().ok()?, nanos.try_into().ok()?);
    UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(signers: Vec<VerifyingKey>) -> TrustList {
        let name = |text: &str| text.parse::<PeerName>().unwrap();
        let gateway = name("spiffe://cofferdam/gateway/main");
        TrustList {
            version: 3,
            trust_domain: "cofferdam".to_owned(),
            issued_at: UNIX_EPOCH + Duration::from_secs(10),
            expires_at: UNIX_EPOCH + Duration::from_hours(1),
            roots: vec![vec![1, 2, 3]],
            gateways: vec![GatewayKeys { name: gateway, signing_keys: signers.clone() }],
            signers,
            revoked_names: vec![name("spiffe://cofferdam/agent/lost")],
            revoked_certificates: vec![[7; 32]],
        }
    }

    #[test]
    fn a_list_reads_as_it_was_signed_and_only_by_a_signer_of_the_one_before() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let made = list(vec![key.public_key(), other.public_key()]);
        let signed = made.sign(&key);
        let first = TrustList::verify_first(&signed).unwrap();
        assert_eq!(first, made);
        let next = TrustList { version: 4, ..made.clone() }.sign(&other);
        assert_eq!(TrustList::verify(&first.next_signers(), &next).unwrap().version, 4);
        let stranger = SigningKey::generate().unwrap();
        let forged = list(vec![stranger.public_key()]).sign(&stranger);
        assert!(TrustList::verify(&first.next_signers(), &forged).is_err());
        // A first list by a key that it does not name is nobody's.
        assert!(TrustList::verify_first(&made.sign(&stranger)).is_err());
    }

    #[test]
    fn a_signature_for_something_else_and_a_changed_list_are_refused() {
        let key = SigningKey::generate().unwrap();
        let made = list(vec![key.public_key()]);
        let mut changed = made.sign(&key);
        changed.list = TrustList { revoked_names: Vec::new(), ..made.clone() }.sign(&key).list;
        assert!(TrustList::verify_first(&changed).is_err());
        let mut borrowed = made.sign(&key);
        borrowed.signature = key.sign(Purpose::Policy, &borrowed.list).to_vec();
        assert!(TrustList::verify_first(&borrowed).is_err());
        let long = SignedTrustList { list: vec![0; MAX_TRUST_LIST + 1], ..Default::default() };
        let refused = TrustList::verify_first(&long).unwrap_err();
        assert!(refused.to_string().contains("at most 262144"), "{refused}");
    }

    #[test]
    fn a_list_that_leaves_out_what_it_must_say_is_refused() {
        let key = SigningKey::generate().unwrap();
        let made = list(vec![key.public_key()]);
        let other_domain = "spiffe://elsewhere/agent/a".parse().unwrap();
        for wrong in [
            TrustList { version: 0, ..made.clone() },
            TrustList { roots: Vec::new(), ..made.clone() },
            TrustList { revoked_names: vec![other_domain], ..made.clone() },
        ] {
            let refused = TrustList::verify_first(&wrong.sign(&key)).unwrap_err();
            assert!(matches!(refused, TrustListError::Content(_)), "{refused}");
        }
    }

    #[test]
    fn a_peer_is_revoked_by_name_or_by_certificate() {
        let list = list(vec![SigningKey::generate().unwrap().public_key()]);
        let peer = |name: &str, fingerprint| Peer {
            name: name.parse().unwrap(),
            not_after: UNIX_EPOCH,
            fingerprint: [fingerprint; 32],
        };
        assert!(list.revokes(&peer("spiffe://cofferdam/agent/lost", 1)));
        assert!(list.revokes(&peer("spiffe://cofferdam/agent/web-1", 7)));
        assert!(!list.revokes(&peer("spiffe://cofferdam/agent/web-1", 1)));
    }
}
