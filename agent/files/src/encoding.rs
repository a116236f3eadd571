//! Encodings of text files: what their bytes are as text, and back.
//!
//! Files stay bytes throughout; only what people and models write or read is
//! text. What an encoding cannot say is an error, never a replacement character.

use cofferdam_proto::file::v1::TextEncoding;

use crate::fault::FileFault;

/// How a file's bytes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Latin1,
    Ascii,
}

impl Encoding {
    /// From the wire, where nothing means UTF-8.
    pub(crate) fn from_wire(encoding: i32) -> Result<Self, FileFault> {
        match TextEncoding::try_from(encoding) {
            Ok(TextEncoding::Unspecified | TextEncoding::Utf8) => Ok(Self::Utf8),
            Ok(TextEncoding::Latin1) => Ok(Self::Latin1),
            Ok(TextEncoding::Ascii) => Ok(Self::Ascii),
            Ok(TextEncoding::Bytes) | Err(_) => {
                Err(FileFault::Invalid(format!("encoding {encoding} is none of text")))
            }
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Latin1 => "latin-1",
            Self::Ascii => "ascii",
        }
    }

    /// Where `bytes` stop being text of this encoding.
    pub(crate) fn first_wrong(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).err().map(|error| error.valid_up_to()),
            Self::Latin1 => None,
            Self::Ascii => bytes.iter().position(|byte| !byte.is_ascii()),
        }
    }

    /// `text` as bytes; `what` names it in an error.
    pub(crate) fn encode(self, what: &str, text: String) -> Result<Vec<u8>, FileFault> {
        let refuse = |c: char| {
            let name = self.name();
            Err(FileFault::Invalid(format!(
                "`{what}` has the character {c:?}, which {name} cannot say; leave it out, or name \
                 the file's real encoding"
            )))
        };
        match self {
            Self::Utf8 => Ok(text.into_bytes()),
            Self::Ascii => match text.chars().find(|c| !c.is_ascii()) {
                Some(c) => refuse(c),
                None => Ok(text.into_bytes()),
            },
            Self::Latin1 => {
                let mut bytes = Vec::with_capacity(text.len());
                for c in text.chars() {
                    match u8::try_from(c) {
                        Ok(byte) => bytes.push(byte),
                        Err(_) => return refuse(c),
                    }
                }
                Ok(bytes)
            }
        }
    }

    /// `bytes`, which are right for this encoding, as text.
    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Utf8 | Self::Ascii => String::from_utf8_lossy(bytes).into_owned(),
            Self::Latin1 => bytes.iter().copied().map(char::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_latin_1_and_goes_there_and_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = Encoding::Latin1.decode(&all);
        assert_eq!(Encoding::Latin1.encode("it", text).unwrap(), all);
        assert_eq!(Encoding::Latin1.first_wrong(&all), None);
    }

    #[test]
    fn what_an_encoding_cannot_say_is_refused() {
        assert!(Encoding::Latin1.encode("it", "Ω".to_owned()).is_err());
        assert!(Encoding::Ascii.encode("it", "é".to_owned()).is_err());
        assert_eq!(Encoding::Ascii.first_wrong(b"ab\xe9"), Some(2));
        assert_eq!(Encoding::Utf8.first_wrong(b"ab\xe9"), Some(2));
    }
}
