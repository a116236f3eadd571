//! What a host says to an authority, signed by its own key.
//!
//! A host that joins has no certificate yet, and one that slept has none any more:
//! who it is shows in its signature. A [`Claim`] was read and is believed by nobody;
//! what it says comes out of it only against a key that made its signature. For an
//! enrolment that is the key which the claim itself names, and the join token says
//! whose it may be; afterwards it is the key that the authority knows the host by.

use cofferdam_proto::join::v1::{
    EnrolRequest, Enrolment, RenewRequest, Renewal, WatchRequest, Watching,
};
use prost::Message;

use crate::digest::sha256;
use crate::signing::{Purpose, SigningKey, VerifyingKey};

/// The longest claim, in bytes, that is looked at.
pub const MAX_CLAIM: usize = 16 * 1024;

/// What somebody says who says they are a host.
#[derive(Debug, Clone)]
pub struct Claim<M> {
    said: M,
    purpose: Purpose,
    bytes: Vec<u8>,
    signature: Vec<u8>,
}

/// Why a claim is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Too long to be looked at.
    #[error("what the host says has {0} bytes; at most {MAX_CLAIM} are taken")]
    TooLong(usize),
    /// Not a message of this kind.
    #[error("what the host says cannot be decoded: {0}; it runs another version")]
    Undecodable(String),
    /// The enrolment names no key.
    #[error("the enrolment names no signing key: write `ed25519:` and the base64 of its 32 bytes")]
    NoKey,
    /// Somebody else signed it, or it was changed.
    #[error(
        "the signature is not by the key that the host is known by, or was made for another text"
    )]
    Invalid,
}

impl<M: Message + Default> Claim<M> {
    fn read(purpose: Purpose, bytes: &[u8], signature: &[u8]) -> Result<Self, ClaimError> {
        if bytes.len() > MAX_CLAIM {
            return Err(ClaimError::TooLong(bytes.len()));
        }
        let said = M::decode(bytes).map_err(|error| ClaimError::Undecodable(error.to_string()))?;
        Ok(Self { said, purpose, bytes: bytes.to_vec(), signature: signature.to_vec() })
    }

    /// SHA-256 of the bytes that were signed: two claims with one digest are the same.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(&self.bytes)
    }

    /// What was said, if `key` signed it.
    ///
    /// # Errors
    /// [`ClaimError::Invalid`] otherwise.
    pub fn proved_by(self, key: &VerifyingKey) -> Result<M, ClaimError> {
        if !key.verifies(self.purpose, &self.bytes, &self.signature) {
            return Err(ClaimError::Invalid);
        }
        Ok(self.said)
    }
}

impl Claim<Enrolment> {
    /// Reads a request for a first certificate.
    ///
    /// # Errors
    /// Where it is too long or cannot be decoded.
    pub fn enrolment(request: &EnrolRequest) -> Result<Self, ClaimError> {
        Self::read(Purpose::Join, &request.enrolment, &request.signature)
    }

    /// What was said, and the key that said it: it has to be the one that it names.
    ///
    /// # Errors
    /// Where it names none, or that one did not sign it.
    pub fn proved(self) -> Result<(Enrolment, VerifyingKey), ClaimError> {
        let key: VerifyingKey = self.said.signing_key.parse().map_err(|_| ClaimError::NoKey)?;
        Ok((self.proved_by(&key)?, key))
    }
}

impl Claim<Renewal> {
    /// Reads a request for the next certificate.
    ///
    /// # Errors
    /// Where it is too long or cannot be decoded.
    pub fn renewal(request: &RenewRequest) -> Result<Self, ClaimError> {
        Self::read(Purpose::Renew, &request.renewal, &request.signature)
    }

    /// Which host it says it is.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.said.host
    }
}

impl Claim<Watching> {
    /// Reads a request for the trust list.
    ///
    /// # Errors
    /// Where it is too long or cannot be decoded.
    pub fn watching(request: &WatchRequest) -> Result<Self, ClaimError> {
        Self::read(Purpose::Watch, &request.watching, &request.signature)
    }

    /// Which host it says it is.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.said.host
    }
}

/// Signs a host's request for its first certificate, with the key that it names.
#[must_use]
pub fn sign_enrolment(key: &SigningKey, enrolment: &Enrolment) -> EnrolRequest {
    let (enrolment, signature) = sign(key, Purpose::Join, enrolment);
    EnrolRequest { enrolment, signature }
}

/// Signs a host's request for its next certificate.
#[must_use]
pub fn sign_renewal(key: &SigningKey, renewal: &Renewal) -> RenewRequest {
    let (renewal, signature) = sign(key, Purpose::Renew, renewal);
    RenewRequest { renewal, signature }
}

/// Signs a host's request for the trust list.
#[must_use]
pub fn sign_watching(key: &SigningKey, watching: &Watching) -> WatchRequest {
    let (watching, signature) = sign(key, Purpose::Watch, watching);
    WatchRequest { watching, signature }
}

fn sign(key: &SigningKey, purpose: Purpose, said: &impl Message) -> (Vec<u8>, Vec<u8>) {
    let bytes = said.encode_to_vec();
    let signature = key.sign(purpose, &bytes).to_vec();
    (bytes, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrolment(key: &SigningKey) -> Enrolment {
        let signing_key = key.public_key().to_string();
        Enrolment { host: "web-1".to_owned(), signing_key, ..Enrolment::default() }
    }

    #[test]
    fn an_enrolment_is_believed_only_from_the_key_that_it_names() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let request = sign_enrolment(&key, &enrolment(&key));
        let (said, by) = Claim::enrolment(&request).unwrap().proved().unwrap();
        assert_eq!((said.host.as_str(), by), ("web-1", key.public_key()));
        let borrowed = sign_enrolment(&other, &enrolment(&key));
        let refused = Claim::enrolment(&borrowed).unwrap().proved().unwrap_err();
        assert_eq!(refused, ClaimError::Invalid);
        let nobody = sign_enrolment(&key, &Enrolment::default());
        assert_eq!(Claim::enrolment(&nobody).unwrap().proved().unwrap_err(), ClaimError::NoKey);
    }

    #[test]
    fn a_signature_for_one_request_is_worth_nothing_for_another() {
        let key = SigningKey::generate().unwrap();
        let WatchRequest { watching, signature } =
            sign_watching(&key, &Watching { host: "web-1".to_owned(), ..Watching::default() });
        let renewal = RenewRequest { renewal: watching, signature };
        let claim = Claim::renewal(&renewal).unwrap();
        assert_eq!(claim.host(), "web-1");
        assert_eq!(claim.proved_by(&key.public_key()).unwrap_err(), ClaimError::Invalid);
    }

    #[test]
    fn what_is_too_long_or_no_message_is_not_looked_at() {
        let long = RenewRequest { renewal: vec![0; MAX_CLAIM + 1], ..RenewRequest::default() };
        assert_eq!(Claim::renewal(&long).unwrap_err(), ClaimError::TooLong(MAX_CLAIM + 1));
        let wild = RenewRequest { renewal: vec![0xff; 40], ..RenewRequest::default() };
        assert!(matches!(Claim::renewal(&wild).unwrap_err(), ClaimError::Undecodable(_)));
    }
}
