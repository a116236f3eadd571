//! What file tools take in common: paths whose names need not be UTF-8, digests,
//! encodings.
//!
//! A name is bytes. In JSON it is a string; the bytes of it that are not UTF-8
//! are written `\xHH`, a backslash before `x` and two hexadecimal digits as
//! `\x5c`. [`super::view::path_text`] writes the same form, so that a path of an
//! answer can be given in the next call. Any other backslash is itself.

use cofferdam_proto::file::v1::TextEncoding;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::input::{BadInput, MAX_PATH, check_path};

/// How a text file's bytes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub(super) enum Encoding {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// ISO 8859-1.
    #[serde(rename = "latin-1")]
    Latin1,
    /// ASCII only.
    #[serde(rename = "ascii")]
    Ascii,
}

impl From<Encoding> for TextEncoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Utf8 => Self::Utf8,
            Encoding::Latin1 => Self::Latin1,
            Encoding::Ascii => Self::Ascii,
        }
    }
}

/// A path's bytes, checked.
pub(crate) fn path_bytes(field: &str, text: &str) -> Result<Vec<u8>, BadInput> {
    check_path(field, text)?;
    let bytes = unescaped(text);
    // An escape could stand for what was looked for before.
    if bytes.contains(&0) || bytes.split(|byte| *byte == b'/').any(|part| part == b"..") {
        let message = format!("`{field}` has `..` or a NUL byte in an escape; leave it out");
        return Err(BadInput::field(field, message));
    }
    debug_assert!(bytes.len() <= MAX_PATH);
    Ok(bytes)
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let escaped = escape(rest);
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &rest[4..] } else { others };
    }
    bytes
}

/// The byte that an escape at the beginning stands for.
pub(super) fn escape(text: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// The bytes of a SHA-256 in hexadecimal digits.
pub(super) fn digest(field: &str, text: &str) -> Result<Vec<u8>, BadInput> {
    let digest: Result<cofferdam_journal::Digest, _> = text.to_ascii_lowercase().parse();
    match digest {
        Ok(digest) => Ok(digest.0.to_vec()),
        Err(_) => Err(BadInput::field(
            field,
            format!("`{field}` is not 64 hexadecimal digits; take it from `read_file`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::path_text;
    use super::*;

    #[test]
    fn a_name_of_any_bytes_goes_there_and_back() {
        for name in [&b"caf\xe9/\xff\xfe"[..], b"a\\xb", b"\\x41", b"plain", "é".as_bytes(), b"\\"]
        {
            let text = path_text(name);
            assert_eq!(path_bytes("path", &text).unwrap(), name, "{text}");
        }
        assert_eq!(path_text(b"caf\xe9"), "caf\\xe9");
        assert_eq!(path_text(b"C:\\dir"), "C:\\dir");
    }

    #[test]
    fn an_escape_hides_nothing() {
        for text in ["\\x2e\\x2e", "a/\\x2e./b", "a\\x00b", "..\\x2fa"] {
            assert!(path_bytes("path", text).is_err(), "{text}");
        }
    }
}
