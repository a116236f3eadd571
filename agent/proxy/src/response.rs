//! HTTP/1.1 responses of targets: only the head is looked at, to say that the
//! connection ends with it. Pure: `forward` moves the bytes.

use crate::request::head_length;

/// The longest head of a response.
pub const MAX_HEAD: usize = 64 * 1024;
const MAX_FIELDS: usize = 200;

/// A response's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// As the run gets it.
    pub bytes: Vec<u8>,
    /// Another head follows (RFC 9110, section 15.2).
    pub interim: bool,
    /// How much of the input it was.
    pub length: usize,
}

/// Why a response is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Not HTTP/1.
    #[error("the target did not answer in HTTP/1.1")]
    Malformed,
    /// Longer than any server's.
    #[error("the head of the target's answer is longer than {MAX_HEAD} bytes")]
    TooLong,
    /// The target wants to speak another protocol, which the request did not offer.
    #[error("the target switched to another protocol")]
    Switched,
}

impl Head {
    /// Reads a head from the front, if it is whole.
    ///
    /// # Errors
    /// See [`ResponseError`].
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, ResponseError> {
        let Some(length) = head_length(bytes) else {
            return if bytes.len() > MAX_HEAD { Err(ResponseError::TooLong) } else { Ok(None) };
        };
        let mut space = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut space);
        match parsed.parse(&bytes[..length]) {
            Ok(httparse::Status::Complete(end)) if end == length => {}
            _ => return Err(ResponseError::Malformed),
        }
        let (Some(version), Some(code)) = (parsed.version, parsed.code) else {
            return Err(ResponseError::Malformed);
        };
        if code == 101 {
            return Err(ResponseError::Switched);
        }
        let reason = parsed.reason.unwrap_or_default();
        let mut head = format!("HTTP/1.{version} {code} {reason}\r\n").into_bytes();
        // The body goes on as it is, in the coding that the target chose.
        let fields = crate::request::Fields(parsed.headers);
        for coding in fields.all("transfer-encoding") {
            head.extend_from_slice(b"Transfer-Encoding: ");
            head.extend_from_slice(coding);
            head.extend_from_slice(b"\r\n");
        }
        fields.write_end_to_end(&mut head, &[]);
        let interim = (100..200).contains(&code);
        head.extend_from_slice(if interim { b"\r\n" } else { b"Connection: close\r\n\r\n" });
        Ok(Some(Self { bytes: head, interim, length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_is_told_that_the_connection_ends() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n\r\nok";
        let head = Head::read(answer).unwrap().unwrap();
        assert_eq!(
            head.bytes,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(&answer[head.length..], b"ok");
        assert!(!head.interim);
    }

    #[test]
    fn an_interim_answer_is_passed_on_and_more_is_expected() {
        let head = Head::read(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap().unwrap();
        assert!(head.interim);
        assert_eq!(Head::read(b"HTTP/1.1 101 Go\r\n\r\n"), Err(ResponseError::Switched));
    }

    #[test]
    fn what_is_not_http_is_not_passed_on() {
        assert_eq!(Head::read(b"SSH-2.0-x\r\n\r\n"), Err(ResponseError::Malformed));
        assert_eq!(Head::read(&vec![b'a'; MAX_HEAD + 1]), Err(ResponseError::TooLong));
        assert_eq!(Head::read(b"HTTP/1.1 200 OK\r\nA: b"), Ok(None));
    }
}
