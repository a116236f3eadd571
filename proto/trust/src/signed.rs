//! Intents and receipts as signed bytes.
//!
//! The receiver bounds the bytes, verifies the signature over exactly what it
//! got, and decodes only then. Whether an intent is fresh, meant for this host
//! and seen before is for the agent to check.

use cofferdam_proto::intent::v1::{Intent, Receipt, SignedIntent, SignedReceipt};
use prost::Message;

use crate::digest::sha256;
use crate::signing::{Purpose, SigningKey, TrustedKeys};

/// The longest intent or receipt, in bytes, that is looked at.
pub const MAX_SIGNED: usize = 64 * 1024;

/// Why a signed message is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Too long to be looked at.
    #[error("the signed {what} has {length} bytes; at most {most} are taken")]
    TooLong {
        /// Intent, receipt, policy or trust list.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// What is looked at, in bytes.
        most: usize,
    },
    /// Signed by a key that is not believed here.
    #[error(
        "the {what} is signed by the key `{key_id}`, which is not among the trusted keys; add the signer's public key to the configuration if it is right"
    )]
    UnknownKey {
        /// Intent, receipt or policy.
        what: &'static str,
        /// The key it names, cut to a readable length.
        key_id: String,
    },
    /// The signature is not the named key's over these bytes.
    #[error(
        "the signature of the {what} is wrong: it was changed after signing, or another key signed it"
    )]
    Invalid {
        /// Intent, receipt or policy.
        what: &'static str,
    },
    /// Signed, yet not a message of this kind.
    #[error("the signed {what} cannot be decoded: {reason}; the signer runs another version")]
    Undecodable {
        /// Intent, receipt or policy.
        what: &'static str,
        /// What the decoder says.
        reason: String,
    },
}

/// Signs an intent with the gateway's key.
pub fn sign_intent(key: &SigningKey, intent: &Intent) -> SignedIntent {
    let bytes = intent.encode_to_vec();
    let signature = key.sign(Purpose::Intent, &bytes).to_vec();
    SignedIntent { intent: bytes, key_id: key.key_id(), signature }
}

/// Signs a receipt with the agent's key.
pub fn sign_receipt(key: &SigningKey, receipt: &Receipt) -> SignedReceipt {
    let bytes = receipt.encode_to_vec();
    let signature = key.sign(Purpose::Receipt, &bytes).to_vec();
    SignedReceipt { receipt: bytes, key_id: key.key_id(), signature }
}

/// Gives the intent inside, if a trusted key signed it.
pub fn verify_intent(keys: &TrustedKeys, signed: &SignedIntent) -> Result<Intent, SignatureError> {
    let SignedIntent { intent, key_id, signature } = signed;
    verify(keys, "intent", Purpose::Intent, intent, key_id, signature)
}

/// Gives the receipt inside, if a trusted key signed it.
pub fn verify_receipt(
    keys: &TrustedKeys,
    signed: &SignedReceipt,
) -> Result<Receipt, SignatureError> {
    let SignedReceipt { receipt, key_id, signature } = signed;
    verify(keys, "receipt", Purpose::Receipt, receipt, key_id, signature)
}

/// Whether a verified receipt answers this intent and no other.
#[must_use]
pub fn receipt_matches(receipt: &Receipt, intent: &SignedIntent) -> bool {
    receipt.intent_digest == sha256(&intent.intent)
}

pub(crate) fn verify<M: Message + Default>(
    keys: &TrustedKeys,
    what: &'static str,
    purpose: Purpose,
    bytes: &[u8],
    key_id: &str,
    signature: &[u8],
) -> Result<M, SignatureError> {
    verify_up_to(MAX_SIGNED, keys, what, purpose, bytes, key_id, signature)
}

/// The same for messages of at most `most` bytes.
pub(crate) fn verify_up_to<M: Message + Default>(
    most: usize,
    keys: &TrustedKeys,
    what: &'static str,
    purpose: Purpose,
    bytes: &[u8],
    key_id: &str,
    signature: &[u8],
) -> Result<M, SignatureError> {
    if bytes.len() > most {
        return Err(SignatureError::TooLong { what, length: bytes.len(), most });
    }
    let Some(key) = keys.get(key_id) else {
        let key_id = key_id.chars().take(64).collect();
        return Err(SignatureError::UnknownKey { what, key_id });
    };
    if !key.verifies(purpose, bytes, signature) {
        return Err(SignatureError::Invalid { what });
    }
    M::decode(bytes)
        .map_err(|error| SignatureError::Undecodable { what, reason: error.to_string() })
}
