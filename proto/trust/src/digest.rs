//! SHA-256, the one digest that this project uses.
//!
//! An action's digest covers its message name as well as its bytes, so that two
//! kinds of action with the same encoding never share one. Gateway and agent
//! compute it on their own and compare.

use aws_lc_rs::digest::{SHA256, digest};
use prost::{Message, Name};

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// The digest of an action: SHA-256 over the full message name, a zero byte and
/// the message's protobuf encoding in tag order.
pub fn action_digest<M: Message + Name>(action: &M) -> [u8; 32] {
    let mut bytes = M::full_name().into_bytes();
    bytes.push(0);
    bytes.extend_from_slice(&action.encode_to_vec());
    sha256(&bytes)
}

/// `bytes` in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use cofferdam_proto::exec::v1::{Command, ProgramQuery};
    use cofferdam_proto::file::v1::FileRead;

    use super::*;

    #[test]
    fn a_digest_is_what_sha256sum_prints() {
        assert_eq!(
            hex(&sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn equal_bytes_of_two_kinds_of_action_have_different_digests() {
        let command = Command { program: b"ls".to_vec(), ..Command::default() };
        let query = ProgramQuery { program: "ls".into() };
        let read = FileRead { path: b"ls".to_vec(), ..FileRead::default() };
        assert_eq!(command.encode_to_vec(), query.encode_to_vec());
        assert_eq!(command.encode_to_vec(), read.encode_to_vec());
        assert_ne!(action_digest(&command), action_digest(&query));
        assert_ne!(action_digest(&command), action_digest(&read));
    }

    #[test]
    fn the_digest_names_the_message_in_full() {
        let query = ProgramQuery::default();
        assert_eq!(action_digest(&query), sha256(b"cofferdam.exec.v1.ProgramQuery\0"));
    }
}
