//! Whatever bytes a stranger sends to an authority, or a gateway brings as a trust
//! list, reading them ends in bounded time without a panic; nothing of it is believed
//! without a signature, and what is signed reads as it was written.
#![no_main]

use std::sync::LazyLock;

use cofferdam_proto::join::v1::{
    EnrolRequest, Enrolment, RenewRequest, Renewal, SignedTrustList, WatchRequest, Watching,
};
use cofferdam_trust::{
    Authority, Claim, JoinToken, Purpose, SigningKey, TrustList, sign_enrolment, sign_renewal,
    sign_watching,
};
use libfuzzer_sys::fuzz_target;
use prost::Message;

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate().unwrap_or_else(|_| std::process::abort()));

fuzz_target!(|data: &[u8]| {
    unsigned(data);
    if let Ok(said) = Enrolment::decode(data) {
        // Signed, yet by the key that it names or by nobody.
        let said = Enrolment { signing_key: KEY.public_key().to_string(), ..said };
        let claim = Claim::enrolment(&sign_enrolment(&KEY, &said));
        if let Ok((read, _)) = claim.and_then(Claim::<Enrolment>::proved) {
            assert_eq!(read, said);
        }
        drop(Authority::request_key(&said.request));
    }
    if let Ok(said) = Renewal::decode(data) {
        let claim = Claim::renewal(&sign_renewal(&KEY, &said));
        if let Ok(read) = claim.and_then(|claim| claim.proved_by(&KEY.public_key())) {
            assert_eq!(read, said);
        }
    }
    if let Ok(said) = Watching::decode(data) {
        let claim = Claim::watching(&sign_watching(&KEY, &said));
        if let Ok(read) = claim.and_then(|claim| claim.proved_by(&KEY.public_key())) {
            assert_eq!(read, said);
        }
    }
    drop(Authority::request_key(data));
    signed_list(data);
    if let Ok(token) = String::from_utf8_lossy(data).parse::<JoinToken>() {
        let again: JoinToken = token.text().parse().expect("a token that was written");
        assert_eq!(again.digest(), token.digest());
    }
});

/// A list that an authority did sign, whatever is in it.
fn signed_list(data: &[u8]) {
    let signature = KEY.sign(Purpose::Trust, data).to_vec();
    let signed = SignedTrustList { list: data.to_vec(), key_id: KEY.key_id(), signature };
    let key = KEY.public_key();
    if let Ok(list) = TrustList::verify(&[key].into_iter().collect(), &signed) {
        let again = TrustList::verify(&[key].into_iter().collect(), &list.sign(&KEY));
        assert_eq!(again.expect("a list that was read"), list);
        assert!(list.version > 0 && !list.roots.is_empty());
    }
    drop(TrustList::verify_first(&signed));
}

fn unsigned(data: &[u8]) {
    let (bytes, signature) = data.split_at(data.len().saturating_sub(64));
    let (bytes, signature) = (bytes.to_vec(), signature.to_vec());
    let enrol = EnrolRequest { enrolment: bytes.clone(), signature: signature.clone() };
    assert!(Claim::enrolment(&enrol).and_then(Claim::<Enrolment>::proved).is_err());
    let key = KEY.public_key();
    let renew = RenewRequest { renewal: bytes.clone(), signature: signature.clone() };
    assert!(Claim::renewal(&renew).and_then(|claim| claim.proved_by(&key)).is_err());
    let watch = WatchRequest { watching: bytes.clone(), signature: signature.clone() };
    assert!(Claim::watching(&watch).and_then(|claim| claim.proved_by(&key)).is_err());
    let list = SignedTrustList { list: bytes, key_id: KEY.key_id(), signature };
    assert!(TrustList::verify(&[key].into_iter().collect(), &list).is_err());
    assert!(TrustList::verify_first(&list).is_err());
}
