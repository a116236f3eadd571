//! SOCKS messages: what is taken, what is refused.

use proptest::prelude::*;

use super::*;

fn named(name: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [&[5, 1, 0, 3, length], name, &443_u16.to_be_bytes()].concat()
}

fn whole(bytes: &[u8]) -> Result<String, SocksError> {
    match request(bytes)? {
        Read::Whole(target, length) if length == bytes.len() => Ok(target.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_greeting_must_offer_to_go_without_authentication() {
    assert_eq!(greeting(&[5, 2, 2, 0]), Ok(Read::Whole((), 4)));
    assert_eq!(greeting(&[5, 1, 0, 5, 1]), Ok(Read::Whole((), 3)));
    assert_eq!(greeting(&[5, 2, 0]), Ok(Read::More));
    assert_eq!(greeting(&[5, 1, 2]), Err(SocksError::Authentication));
    assert_eq!(greeting(&[5, 0]), Err(SocksError::Authentication));
    assert_eq!(greeting(&[4, 1, 0]), Err(SocksError::Version(4)));
}

#[test]
fn names_and_addresses_become_targets() {
    assert_eq!(whole(&named(b"Example.org")).as_deref(), Ok("example.org:443"));
    assert_eq!(whole(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 80]).as_deref(), Ok("127.0.0.1:80"));
    assert_eq!(whole(&named(b"127.0.0.1")).as_deref(), Ok("127.0.0.1:443"));
    let mapped = [&[5, 1, 0, 4][..], &[0; 10], &[0xff, 0xff, 127, 0, 0, 1], &[0, 80]].concat();
    assert_eq!(whole(&mapped).as_deref(), Ok("127.0.0.1:80"));
}

#[test]
fn what_is_not_a_plain_connect_is_refused_with_its_code() {
    let code = |bytes: &[u8]| request(bytes).unwrap_err().reply()[1];
    assert_eq!(code(&[5, 2, 0, 1]), 7);
    assert_eq!(code(&[5, 3, 0, 1]), 7);
    assert_eq!(code(&[5, 1, 0, 2]), 8);
    assert_eq!(code(&[5, 1, 1, 1]), 1);
    assert_eq!(code(&[5, 1, 0, 1, 1, 1, 1, 1, 0, 0]), 1);
    for name in
        [&b"a\0b"[..], b"a.", b"", b"0x7f.1", b"2130706433", b"a b", b"\xc3\xa9", b"[::1", b"u@a"]
    {
        assert_eq!(code(&named(name)), 1, "{}", name.escape_ascii());
    }
    assert_eq!(greeting(&[4]).unwrap_err().reply(), [0_u8; 0]);
}

#[test]
fn replies_carry_their_code() {
    assert_eq!(reply(NOT_ALLOWED), [5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(reply(SUCCEEDED), [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
}

proptest! {
    #[test]
    fn a_cut_message_is_waited_for_or_refused_and_never_misread(
        bytes in prop::collection::vec(any::<u8>(), 0..40), name in "[a-z]{1,9}\\.[a-z]{1,9}"
    ) {
        let whole = named(name.as_bytes());
        for end in 0..whole.len() {
            prop_assert_eq!(request(&whole[..end]), Ok(Read::More));
        }
        for start in [&[5, 1, 0][..], &[5, 1, 0, 3], &[]] {
            let message = [start, &bytes].concat();
            if let Ok(Read::Whole(_, length)) = request(&message) {
                prop_assert!(length <= message.len() && length <= MAX_REQUEST);
                prop_assert_eq!(request(&message[..length]), request(&message));
            }
        }
    }
}
