//! The codec: fixed layout, little-endian, lengths before bytes, every length
//! bounded, one encoding for each value.

use crate::path::{AbsolutePath, PathError};

/// Why a frame was refused; most name the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body ends inside a field.
    #[error("the frame ends inside {0}")]
    Truncated(&'static str),
    /// Bytes are left after the last field: how many.
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
    /// A length or count, and the field's limit.
    #[error("{0} is {1} long; at most {2}")]
    TooLong(&'static str, u64, u64),
    /// A tag, flag or number that means nothing.
    #[error("{0} has the unknown value {1}")]
    Unknown(&'static str, u64),
    /// A path that is not absolute and normal.
    #[error("{0}: {1}")]
    Path(&'static str, PathError),
    /// Text that is not UTF-8 or has control characters.
    #[error("{0} is not plain UTF-8 text")]
    Text(&'static str),
    /// A NUL byte where the kernel takes NUL-ended strings.
    #[error("{0} has a NUL byte")]
    Nul(&'static str),
    /// The frame is of a version that this program does not speak.
    #[error("the frame has version {0}; this program speaks {VERSION}")]
    Version(u8),
}

/// The version of all frames: raised with each change of what any of them holds.
///
/// Agent and warden are upgraded together. But an agent also speaks with the PID 1s of
/// cells that a build before it made, and reads plans and events in this encoding out of
/// the logs that an agent before it left. What has another version is refused: an upgrade
/// that raises it ends the cells there are, and records their runs as lost.
pub const VERSION: u8 = 3;

/// A value that travels in a frame of its own.
pub trait Frame: Sized {
    /// The largest body, in bytes.
    const MAX_FRAME: usize;
}

/// The sender's half of a message.
pub trait Encode: Frame {
    /// Appends the fields.
    fn encode(&self, w: &mut Writer);

    /// The body of a frame: version, fields.
    fn to_frame(&self) -> Vec<u8> {
        let mut w = Writer(vec![VERSION]);
        self.encode(&mut w);
        w.0
    }
}

/// The receiver's half of a message. Where the two halves of one message stand
/// in two files, one of them is all that root runs.
pub trait Decode: Frame {
    /// Reads the fields.
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Decodes a whole body.
    fn from_frame(body: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader(body);
        match r.u8("version")? {
            VERSION => {}
            actual => return Err(DecodeError::Version(actual)),
        }
        let value = Self::decode(&mut r)?;
        match r.0.len() {
            0 => Ok(value),
            count => Err(DecodeError::Trailing(count)),
        }
    }
}

/// Appends fields to a body.
#[derive(Debug, Default)]
pub struct Writer(pub(crate) Vec<u8>);

impl Writer {
    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    /// A flag.
    pub fn bool(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }
    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// Bytes of a length that both sides know.
    pub fn array<const N: usize>(&mut self, value: &[u8; N]) {
        self.0.extend_from_slice(value);
    }
    /// Length and bytes. Lengths above `u32::MAX` cannot be decoded by anyone.
    pub fn bytes(&mut self, value: &[u8]) {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(value);
    }
}

/// Takes fields from the front of a body.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(DecodeError::Truncated(field))?;
        self.0 = rest;
        Ok(head)
    }
    /// Bytes of a length that both sides know.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(DecodeError::Truncated(field))?;
        self.0 = rest;
        Ok(*head)
    }
    /// One byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[byte]| byte)
    }
    /// A flag; only 0 and 1.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::Unknown(field, other.into())),
        }
    }
    /// Four bytes.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }
    /// Eight bytes.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_le_bytes)
    }
    /// A length or count of at most `limit`.
    fn length(&mut self, field: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let actual = self.u32(field)?;
        match usize::try_from(actual) {
            Ok(length) if length <= limit => Ok(length),
            _ => Err(DecodeError::TooLong(field, actual.into(), limit as u64)),
        }
    }
    /// Length and bytes.
    pub fn bytes(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.length(field, limit)?;
        self.take(field, length)
    }
    /// Bytes for the kernel: without NUL.
    pub fn c_bytes(&mut self, field: &'static str, limit: usize) -> Result<Vec<u8>, DecodeError> {
        let bytes = self.bytes(field, limit)?;
        if bytes.contains(&0) {
            return Err(DecodeError::Nul(field));
        }
        Ok(bytes.to_vec())
    }
    /// UTF-8 without control characters, so that it can stand in a log line.
    pub fn text(&mut self, field: &'static str, limit: usize) -> Result<String, DecodeError> {
        let bytes = self.bytes(field, limit)?;
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.chars().any(char::is_control) => Ok(text.to_owned()),
            _ => Err(DecodeError::Text(field)),
        }
    }
    /// A path, checked.
    pub fn path(&mut self, field: &'static str) -> Result<AbsolutePath, DecodeError> {
        let bytes = self.bytes(field, crate::path::MAX_PATH)?;
        AbsolutePath::new(bytes).map_err(|source| DecodeError::Path(field, source))
    }
    /// Count and items. Memory grows with what the frame really holds: an item
    /// that is not there ends the loop with an error.
    pub fn list<T>(
        &mut self,
        field: &'static str,
        limit: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.length(field, limit)?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }
}
