//! Signing keys, and signed intents and receipts that were tampered with.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cofferdam_proto::intent::v1::{Intent, Receipt, SignedIntent, SignedReceipt};
use cofferdam_trust::{
    KeyError, MAX_SIGNED, Purpose, SignatureError, SigningKey, TrustedKeys, VerifyingKey,
    receipt_matches, sha256, sign_intent, sign_receipt, verify_intent, verify_receipt,
};

fn intent() -> Intent {
    Intent { run_id: "0190a0c6".into(), host: "one".into(), ..Intent::default() }
}

fn trusting(key: &SigningKey) -> TrustedKeys {
    [key.public_key()].into_iter().collect()
}

#[test]
fn a_saved_key_is_private_and_loads_as_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signing.key");
    let key = SigningKey::generate().unwrap();
    key.save(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(key.save(&path).is_err(), "an existing key was overwritten");
    let again = SigningKey::load(&path).unwrap();
    assert_eq!(again.key_id(), key.key_id());
    assert!(key.public_key().verifies(Purpose::Intent, b"x", &again.sign(Purpose::Intent, b"x")));

    fs::write(&path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    assert!(matches!(SigningKey::load(&path), Err(KeyError::NotASigningKey(_))));
    assert!(!format!("{key:?}").contains("PRIVATE"));
}

#[test]
fn a_public_key_prints_as_it_was_read() {
    let key = SigningKey::generate().unwrap().public_key();
    assert_eq!(key.to_string().parse::<VerifyingKey>().unwrap(), key);
    assert_eq!(key.key_id().len(), 64);
    for wrong in ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", &key.to_string()[8..]] {
        assert!(wrong.parse::<VerifyingKey>().is_err(), "{wrong}");
    }
}

#[test]
fn a_signed_intent_and_its_receipt_verify() {
    let (gateway, agent) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let signed = sign_intent(&gateway, &intent());
    assert_eq!(verify_intent(&trusting(&gateway), &signed).unwrap(), intent());
    let receipt = Receipt {
        run_id: intent().run_id,
        intent_digest: sha256(&signed.intent).to_vec(),
        ..Receipt::default()
    };
    let answer = verify_receipt(&trusting(&agent), &sign_receipt(&agent, &receipt)).unwrap();
    assert!(receipt_matches(&answer, &signed));
    let other = sign_intent(&gateway, &Intent { host: "two".into(), ..intent() });
    assert!(!receipt_matches(&answer, &other));
}

#[test]
fn an_intent_changed_in_any_bit_is_refused() {
    let key = SigningKey::generate().unwrap();
    let keys = trusting(&key);
    let signed = sign_intent(&key, &intent());
    for bit in 0..signed.intent.len() * 8 {
        let mut changed = signed.clone();
        changed.intent[bit / 8] ^= 1 << (bit % 8);
        let what = "intent";
        assert_eq!(verify_intent(&keys, &changed), Err(SignatureError::Invalid { what }));
    }
    for bit in 0..signed.signature.len() * 8 {
        let mut changed = signed.clone();
        changed.signature[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_intent(&keys, &changed).is_err());
    }
}

#[test]
fn a_key_that_is_not_trusted_signs_nothing() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let mut signed = sign_intent(&other, &intent());
    let error = verify_intent(&trusting(&key), &signed).unwrap_err();
    assert!(matches!(error, SignatureError::UnknownKey { .. }), "{error}");
    signed.key_id = key.key_id();
    let error = verify_intent(&trusting(&key), &signed).unwrap_err();
    assert!(matches!(error, SignatureError::Invalid { .. }), "{error}");
    assert!(verify_intent(&TrustedKeys::default(), &signed).is_err());
}

#[test]
fn a_receipts_signature_is_no_intents() {
    let key = SigningKey::generate().unwrap();
    let SignedIntent { intent, key_id, signature } = sign_intent(&key, &intent());
    let swapped = SignedReceipt { receipt: intent, key_id, signature };
    assert!(verify_receipt(&trusting(&key), &swapped).is_err());
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let key = SigningKey::generate().unwrap();
    let long = Intent { session: "x".repeat(MAX_SIGNED), ..intent() };
    let error = verify_intent(&trusting(&key), &sign_intent(&key, &long)).unwrap_err();
    assert!(matches!(error, SignatureError::TooLong { .. }), "{error}");
}

#[test]
fn signed_bytes_that_are_no_intent_are_refused() {
    let key = SigningKey::generate().unwrap();
    let bytes = vec![0xff; 16];
    let signature = key.sign(Purpose::Intent, &bytes).to_vec();
    let signed = SignedIntent { intent: bytes, key_id: key.key_id(), signature };
    let error = verify_intent(&trusting(&key), &signed).unwrap_err();
    assert!(matches!(error, SignatureError::Undecodable { .. }), "{error}");
}
