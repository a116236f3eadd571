//! Messages of D-Bus: calls as they are sent, answers as they come.
//!
//! Source: D-Bus Specification, «Message Protocol». An answer's size is known, and
//! bounded, before the rest of it is read. Used by `bus.rs`; fuzzed.

use super::wire::{Reader, WireError, Writer};

/// The fixed part of a message, with the length of its header's fields.
pub(crate) const HEAD: usize = 16;
/// The largest answer that is read: some ten thousand units.
pub(crate) const MAX_ANSWER: usize = 8 << 20;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
/// Start no program to answer this, ask nobody for a password.
const NO_AUTO_START: u8 = 2;
const VERSION: u8 = 1;

/// A call of a method.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) destination: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) member: &'a str,
    /// The types of the arguments.
    pub(crate) signature: &'a str,
}

/// What kind of answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The method's results.
    Return,
    /// An error of this name.
    Error(String),
    /// Something that nobody asked for, such as a signal.
    Unasked,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) kind: Kind,
    /// The serial of the call that it answers; 0: of none.
    pub(crate) to: u32,
    /// The types of the results.
    pub(crate) signature: String,
    big_endian: bool,
    body: Vec<u8>,
}

impl Call<'_> {
    /// The bytes to send, with the arguments as [`Writer`] made them.
    pub(crate) fn encode(&self, serial: u32, arguments: Vec<u8>) -> Vec<u8> {
        let mut writer = Writer::default();
        for byte in [b'l', METHOD_CALL, NO_AUTO_START, VERSION] {
            writer.byte(byte);
        }
        writer.u32(u32::try_from(arguments.len()).unwrap_or(u32::MAX));
        writer.u32(serial);
        let mut fields = Writer::default();
        for (code, kind, value) in [
            (1, "o", self.path),
            (2, "s", self.interface),
            (3, "s", self.member),
            (6, "s", self.destination),
        ] {
            fields.align(8);
            fields.byte(code);
            fields.signature(kind);
            fields.text(value);
        }
        if !self.signature.is_empty() {
            fields.align(8);
            fields.byte(8);
            fields.signature("g");
            fields.signature(self.signature);
        }
        // The array starts at byte 16, so that alignment within it is the message's.
        let fields = fields.into_bytes();
        writer.u32(u32::try_from(fields.len()).unwrap_or(u32::MAX));
        let mut bytes = writer.into_bytes();
        bytes.extend(fields);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(arguments);
        bytes
    }
}

/// How long the message is whose first bytes these are.
pub(crate) fn whole_length(head: &[u8; HEAD]) -> Result<usize, String> {
    let (big_endian, version) = (byte_order(head[0])?, head[3]);
    if version != VERSION {
        return Err(format!("a message of version {version} of the protocol"));
    }
    let number = |at: usize| {
        let mut reader = Reader::new(&head[at..at + 4], big_endian);
        reader.u32().ok().and_then(|number| usize::try_from(number).ok()).unwrap_or(usize::MAX)
    };
    let (body, fields) = (number(4), number(12));
    let length = fields
        .checked_add(HEAD)
        .and_then(|header| header.checked_next_multiple_of(8))
        .and_then(|header| header.checked_add(body));
    match length {
        Some(length) if length <= MAX_ANSWER => Ok(length),
        _ => Err(format!("a message larger than {MAX_ANSWER} bytes")),
    }
}

fn byte_order(mark: u8) -> Result<bool, String> {
    match mark {
        b'l' => Ok(false),
        b'B' => Ok(true),
        _ => Err("what is no message of D-Bus".into()),
    }
}

impl Answer {
    /// Decodes a whole message.
    pub(crate) fn decode(message: &[u8]) -> Result<Self, String> {
        let head: &[u8; HEAD] = message.first_chunk().ok_or("a message without a header")?;
        if whole_length(head)? != message.len() {
            return Err("a message of another length than it says".into());
        }
        let big_endian = byte_order(head[0])?;
        let decoded = Self::fields(message, big_endian, head[1]);
        decoded.map_err(|error: WireError| error.to_string())
    }

    fn fields(message: &[u8], big_endian: bool, kind: u8) -> Result<Self, WireError> {
        let mut reader = Reader::new(message, big_endian);
        for _ in 0..3 {
            reader.u32()?;
        }
        let mut fields = reader.array(8)?;
        reader.align(8)?;
        let (mut to, mut error, mut signature) = (0, String::new(), String::new());
        while !fields.at_end() {
            fields.align(8)?;
            match (fields.byte()?, fields.header_value()?) {
                (4, HeaderValue::Text(name)) => name.clone_into(&mut error),
                (5, HeaderValue::Number(serial)) => to = serial,
                (8, HeaderValue::Signature(types)) => types.clone_into(&mut signature),
                (4 | 5 | 8, _) => return Err(WireError::Type),
                _ => {}
            }
        }
        let kind = match kind {
            METHOD_RETURN if to != 0 => Kind::Return,
            ERROR if to != 0 => Kind::Error(error),
            _ => Kind::Unasked,
        };
        Ok(Self { kind, to, signature, big_endian, body: reader.rest().to_vec() })
    }

    /// A reader of the results, if they are of these types.
    pub(crate) fn results(&self, signature: &str) -> Result<Reader<'_>, WireError> {
        if self.signature != signature {
            return Err(WireError::Type);
        }
        Ok(Reader::new(&self.body, self.big_endian))
    }

    /// What an error says of itself: its first result, if that is a text.
    pub(crate) fn message(&self) -> &str {
        let said = || Reader::new(&self.body, self.big_endian).text();
        if self.signature.starts_with('s') { said().unwrap_or_default() } else { "" }
    }
}

/// A field of a header, as far as anything here needs it.
enum HeaderValue<'a> {
    Text(&'a str),
    Signature(&'a str),
    Number(u32),
}

impl<'a> Reader<'a> {
    fn header_value(&mut self) -> Result<HeaderValue<'a>, WireError> {
        match self.signature()? {
            "s" | "o" => Ok(HeaderValue::Text(self.text()?)),
            "g" => Ok(HeaderValue::Signature(self.signature()?)),
            "u" => Ok(HeaderValue::Number(self.u32()?)),
            _ => Err(WireError::Type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_the_layout_of_the_specification() {
        let call = Call {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member: "Hello",
            signature: "",
        };
        let bytes = call.encode(1, Vec::new());
        assert_eq!(&bytes[..16], b"l\x01\x02\x01\0\0\0\0\x01\0\0\0\x6d\0\0\0");
        assert_eq!(bytes.len(), 16 + 0x6d + 3);
        let answer = Answer::decode(&bytes).expect("it is a message");
        assert_eq!((answer.kind, answer.to), (Kind::Unasked, 0));
    }

    #[test]
    fn a_message_beyond_the_bound_is_refused_before_it_is_read() {
        let mut head = *b"l\x02\x01\x01\0\0\0\0\x01\0\0\0\0\0\0\0";
        assert_eq!(whole_length(&head), Ok(16));
        head[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(whole_length(&head).expect_err("is refused").contains("larger than"));
        head[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(whole_length(&head).is_err());
        head[0] = b'x';
        assert!(whole_length(&head).is_err());
    }
}
