//! Rules as signed by who publishes them.
//!
//! A publisher signs a statement: these rules, by their digest, are this
//! version. It travels with a bundle to the gateway, and within each intent to
//! the host, so that a host can tell by itself whether rules that its owner
//! trusts have decided. Which version is too old is for the receiver to know.

use std::time::{SystemTime, UNIX_EPOCH};

use cofferdam_proto::intent::v1::{PolicyStatement, SignedPolicyStatement};
use prost::Message;
use prost_types::Timestamp;

use crate::signed::{SignatureError, verify};
use crate::signing::{Purpose, SigningKey, TrustedKeys};

/// What a publisher that is believed says about rules. Only [`verify_policy`]
/// makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyWord {
    /// The digest of the rules.
    pub digest: [u8; 32],
    /// Their version, 1 or more.
    pub version: u64,
    /// When it was signed, as the publisher says.
    pub issued_at: Option<SystemTime>,
}

/// Why a publisher's word is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyWordError {
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The digest has another length.
    #[error("the signed policy names no SHA-256 digest; sign it with `cofferdam policy sign`")]
    Digest,
    /// There is no version 0.
    #[error("the signed policy has version 0; versions begin at 1")]
    Version,
}

/// Signs that the rules with this digest are this version.
pub fn sign_policy(
    key: &SigningKey,
    digest: [u8; 32],
    version: u64,
    now: SystemTime,
) -> SignedPolicyStatement {
    let issued_at = Some(Timestamp::from(now));
    let statement = PolicyStatement { digest: digest.to_vec(), version, issued_at };
    let bytes = statement.encode_to_vec();
    let signature = key.sign(Purpose::Policy, &bytes).to_vec();
    SignedPolicyStatement { statement: bytes, key_id: key.key_id(), signature }
}

/// Gives what is stated, if a trusted key signed it.
pub fn verify_policy(
    keys: &TrustedKeys,
    signed: &SignedPolicyStatement,
) -> Result<PolicyWord, PolicyWordError> {
    let SignedPolicyStatement { statement, key_id, signature } = signed;
    let PolicyStatement { digest, version, issued_at } =
        verify(keys, "policy", Purpose::Policy, statement, key_id, signature)?;
    let digest = digest.try_into().map_err(|_| PolicyWordError::Digest)?;
    if version == 0 {
        return Err(PolicyWordError::Version);
    }
    Ok(PolicyWord { digest, version, issued_at: issued_at.and_then(system_time) })
}

fn system_time(Timestamp { seconds, nanos }: Timestamp) -> Option<SystemTime> {
    let since = std::time::Duration::new(seconds.try_into().ok()?, nanos.try_into().ok()?);
    UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VerifyingKey;

    fn signed(key: &SigningKey, version: u64) -> SignedPolicyStatement {
        sign_policy(key, [7; 32], version, UNIX_EPOCH)
    }

    fn trusting(key: VerifyingKey) -> TrustedKeys {
        TrustedKeys::from_iter([key])
    }

    #[test]
    fn a_trusted_publisher_is_believed_word_for_word() {
        let key = SigningKey::generate().unwrap();
        let word = verify_policy(&trusting(key.public_key()), &signed(&key, 3)).unwrap();
        let expected = PolicyWord { digest: [7; 32], version: 3, issued_at: Some(UNIX_EPOCH) };
        assert_eq!(word, expected);
    }

    #[test]
    fn strangers_changes_and_other_purposes_are_refused() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let keys = trusting(key.public_key());
        let refused = |signed: &SignedPolicyStatement| verify_policy(&keys, signed).unwrap_err();
        let unknown = refused(&signed(&other, 3));
        assert!(matches!(
            unknown,
            PolicyWordError::Signature(SignatureError::UnknownKey { what: "policy", .. })
        ));
        let mut changed = signed(&key, 3);
        changed.statement = signed(&key, 4).statement;
        let invalid = PolicyWordError::Signature(SignatureError::Invalid { what: "policy" });
        assert_eq!(refused(&changed), invalid);
        let mut borrowed = signed(&key, 3);
        borrowed.signature = key.sign(Purpose::Intent, &borrowed.statement).to_vec();
        assert_eq!(refused(&borrowed), invalid);
    }

    #[test]
    fn a_statement_without_version_or_digest_is_none() {
        let key = SigningKey::generate().unwrap();
        let keys = trusting(key.public_key());
        assert_eq!(verify_policy(&keys, &signed(&key, 0)), Err(PolicyWordError::Version));
        let statement = PolicyStatement { version: 1, ..PolicyStatement::default() };
        let bytes = statement.encode_to_vec();
        let signature = key.sign(Purpose::Policy, &bytes).to_vec();
        let short = SignedPolicyStatement { statement: bytes, key_id: key.key_id(), signature };
        assert_eq!(verify_policy(&keys, &short), Err(PolicyWordError::Digest));
    }
}
