//! The TLS greeting: real ones are understood, however they are cut; hostile
//! ones are refused.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// What rustls sends first to `name`.
fn real(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<Option<Hello>, HelloError> {
    HelloReader::default().feed(bytes)
}

fn name_of(bytes: &[u8]) -> Result<Option<String>, HelloError> {
    Ok(read(bytes)?.unwrap().server_name)
}

/// The handshake message in records of `size` bytes.
fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[HANDSHAKE, 3, 1][..], &length, part].concat()
    };
    message.chunks(size).flat_map(record).collect()
}

/// A greeting with these extensions.
fn greeting(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([0; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    let extensions: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, data)| {
            let length = u16::try_from(data.len()).unwrap().to_be_bytes();
            [&kind.to_be_bytes()[..], &length, data].concat()
        })
        .collect();
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[CLIENT_HELLO], &length[1..], &body].concat()
}

fn sni(names: &[(u8, &[u8])]) -> (u16, Vec<u8>) {
    let list: Vec<u8> = names
        .iter()
        .flat_map(|(kind, name)| {
            [&[*kind][..], &u16::try_from(name.len()).unwrap().to_be_bytes(), name].concat()
        })
        .collect();
    (0, [&u16::try_from(list.len()).unwrap().to_be_bytes()[..], &list].concat())
}

#[test]
fn the_name_of_a_real_greeting_is_read() {
    assert_eq!(name_of(&real("example.org")), Ok(Some("example.org".to_owned())));
    assert_eq!(name_of(&real("127.0.0.1")), Ok(None));
}

#[test]
fn a_name_cannot_hide_behind_record_boundaries() {
    let bytes = real("example.org");
    for size in [1, 2, 5, 60, 100] {
        let cut = in_records(&bytes[5..], size);
        assert_eq!(name_of(&cut), Ok(Some("example.org".to_owned())), "{size}");
        let mut reader = HelloReader::default();
        for byte in &cut[..cut.len() - 1] {
            assert_eq!(reader.feed(&[*byte]), Ok(None));
        }
        assert!(reader.feed(&cut[cut.len() - 1..]).unwrap().is_some());
        assert_eq!(reader.into_bytes(), cut);
    }
}

#[test]
fn several_or_strange_names_are_refused() {
    let of = |extensions: &[(u16, Vec<u8>)]| name_of(&in_records(&greeting(extensions), 16384));
    assert_eq!(of(&[sni(&[(0, b"a.org")])]), Ok(Some("a.org".to_owned())));
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&[sni(&[(0, b"a.org")]), sni(&[(0, b"b.org")])]), Err(HelloError::Name));
    assert_eq!(of(&[sni(&[(0, b"a.org"), (0, b"b.org")])]), Err(HelloError::Name));
    assert_eq!(of(&[sni(&[(1, b"a.org")])]), Err(HelloError::Name));
    assert_eq!(of(&[sni(&[(0, b"")])]), Err(HelloError::Name));
    assert_eq!(of(&[sni(&[(0, b"a.org\0.b.org")])]), Err(HelloError::Name));
    assert_eq!(of(&[sni(&[(0, b"\xff")])]), Err(HelloError::Name));
    assert_eq!(of(&[(0, vec![])]), Err(HelloError::Malformed));
}

#[test]
fn what_is_not_tls_is_known_from_its_first_bytes() {
    for bytes in [
        &b"SSH-2.0"[..],
        b"GET / HTTP/1.1",
        &[22, 2],
        &[22, 3, 1, 0, 0],
        &[22, 3, 1, 0x50, 0],
        &[0x80, 0x2e],
    ] {
        assert_eq!(read(bytes), Err(HelloError::NotTls), "{bytes:?}");
    }
    assert_eq!(read(&[22, 3, 1]), Ok(None));
    assert_eq!(read(&[]), Ok(None));
}

#[test]
fn a_greeting_that_breaks_off_runs_over_or_never_ends_is_refused() {
    let message = greeting(&[sni(&[(0, b"a.org")])]);
    let more = [&message[..], &[0]].concat();
    assert_eq!(read(&in_records(&more, 16384)), Err(HelloError::Malformed));
    let other = [&in_records(&message[..20], 20)[..], &[23, 3, 3, 0, 1, 0]].concat();
    assert_eq!(read(&other), Err(HelloError::Malformed));
    let server_hello = [&[2][..], &message[1..]].concat();
    assert_eq!(read(&in_records(&server_hello, 16384)), Err(HelloError::Malformed));
    assert_eq!(read(&in_records(&[1, 0xff, 0xff, 0xff], 4)), Err(HelloError::TooLong));
    let endless = in_records(&[&[1, 0, 0x80, 0][..], &vec![0; 0x7000]].concat(), 1);
    assert_eq!(read(&endless), Err(HelloError::TooLong));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_the_same_however_they_are_cut(
        flips in prop::collection::vec((0..400_usize, any::<u8>()), 0..4), cut in 1..200_usize
    ) {
        let mut bytes = in_records(&greeting(&[sni(&[(0, b"a.org")]), (43, vec![2, 3, 4])]), 30);
        for (place, byte) in flips {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        let at_once = read(&bytes);
        let mut reader = HelloReader::default();
        let mut in_parts = Ok(None);
        for part in bytes.chunks(cut) {
            in_parts = reader.feed(part);
            if !matches!(in_parts, Ok(None)) {
                break;
            }
        }
        prop_assert_eq!(at_once, in_parts);
    }
}
