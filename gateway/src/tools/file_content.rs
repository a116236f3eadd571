//! A file's content as an answer shows it: text where it is text, an image as an
//! image, and of anything else what it is, or base64 where that was asked for.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cofferdam_proto::file::v1::{FileContent, TextEncoding};
use rmcp::model::ContentBlock;
use schemars::JsonSchema;
use serde::Deserialize;

use super::view::lossy;

/// How a caller wants to see bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub(super) enum Reading {
    /// Text in UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// Text in ISO 8859-1.
    #[serde(rename = "latin-1")]
    Latin1,
    /// Text in ASCII.
    #[serde(rename = "ascii")]
    Ascii,
    /// The bytes, in base64.
    #[serde(rename = "base64")]
    Base64,
}

impl From<Reading> for TextEncoding {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Utf8 => Self::Utf8,
            Reading::Latin1 => Self::Latin1,
            Reading::Ascii => Self::Ascii,
            Reading::Base64 => Self::Bytes,
        }
    }
}

impl From<TextEncoding> for Reading {
    fn from(encoding: TextEncoding) -> Self {
        match encoding {
            TextEncoding::Unspecified | TextEncoding::Utf8 => Self::Utf8,
            TextEncoding::Latin1 => Self::Latin1,
            TextEncoding::Ascii => Self::Ascii,
            TextEncoding::Bytes => Self::Base64,
        }
    }
}

/// What is shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) content: String,
    /// How `content` is written; none: it does not show the file.
    pub(super) encoding: &'static str,
    /// Bytes of the file that it stands for.
    pub(super) length: u64,
    /// What the file is, where it is no text.
    pub(super) media_type: Option<&'static str>,
    /// The image, in base64.
    pub(super) image: Option<String>,
    /// Why there is no content, and what to do.
    pub(super) note: Option<String>,
}

impl Shown {
    /// Shows `content`, taking its bytes out of it.
    pub(super) fn of(content: &mut FileContent, reading: Reading) -> Self {
        let data = std::mem::take(&mut content.data);
        let length = data.len() as u64;
        let end = content.offset.saturating_add(length);
        let whole = content.offset == 0 && end >= content.size;
        let kind = if content.offset == 0 { media_type(&data) } else { None };
        let text = |content, encoding| Self { content, encoding, length, ..Self::default() };
        match reading {
            Reading::Base64 => {
                Self { media_type: kind, ..text(BASE64_STANDARD.encode(&data), "base64") }
            }
            Reading::Latin1 => text(data.into_iter().map(char::from).collect(), "latin-1"),
            Reading::Ascii if data.is_ascii() => text(lossy(&data), "ascii"),
            Reading::Utf8 | Reading::Ascii => match (kind, whole) {
                (Some(kind), true) if kind.starts_with("image/") => Self::image(&data, kind),
                (Some(kind), _) => Self::binary(kind, content.size),
                (None, _) => Self::text(data, end < content.size, reading, content.size),
            },
        }
    }

    fn image(data: &[u8], kind: &'static str) -> Self {
        Self {
            encoding: "none",
            length: data.len() as u64,
            media_type: Some(kind),
            image: Some(BASE64_STANDARD.encode(data)),
            note: Some("the image is a content block of this result".to_owned()),
            ..Self::default()
        }
    }

    fn binary(kind: &'static str, size: u64) -> Self {
        Self {
            encoding: "none",
            media_type: Some(kind),
            note: Some(format!(
                "not text: {kind}, {size} bytes; set encoding to base64 to have its bytes, page by \
                 page"
            )),
            ..Self::default()
        }
    }

    /// Text where it is text. A character that the page's end cuts is left to the
    /// next page.
    fn text(data: Vec<u8>, more: bool, reading: Reading, size: u64) -> Self {
        let length = data.len() as u64;
        let error = match String::from_utf8(data) {
            Ok(content) if reading == Reading::Utf8 => {
                return Self { content, encoding: "utf-8", length, ..Self::default() };
            }
            Ok(_) => return Self::not_in("ascii", size),
            Err(error) => error,
        };
        let (valid, is_cut) =
            (error.utf8_error().valid_up_to(), error.utf8_error().error_len().is_none());
        let mut data = error.into_bytes();
        if is_cut && more && valid > 0 && reading == Reading::Utf8 {
            data.truncate(valid);
            let length = valid as u64;
            return Self { content: lossy(&data), encoding: "utf-8", length, ..Self::default() };
        }
        if data.contains(&0) {
            return Self::binary("application/octet-stream", size);
        }
        Self::not_in(if reading == Reading::Ascii { "ascii" } else { "utf-8" }, size)
    }

    fn not_in(encoding: &str, size: u64) -> Self {
        Self {
            encoding: "none",
            note: Some(format!(
                "not text in {encoding} ({size} bytes); name another encoding, such as latin-1, or \
                 base64 to have its bytes"
            )),
            ..Self::default()
        }
    }

    /// The image as a content block.
    pub(super) fn block(image: Option<&str>, media_type: Option<&str>) -> Option<ContentBlock> {
        image.zip(media_type).map(|(image, kind)| ContentBlock::image(image, kind))
    }
}

/// What bytes are, by how they begin; only of what is no text.
pub(crate) fn media_type(data: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 12] = [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"%PDF-", "application/pdf"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b", "application/gzip"),
        (b"\x28\xb5\x2f\xfd", "application/zstd"),
        (b"\xfd7zXZ\x00", "application/x-xz"),
        (b"BZh", "application/x-bzip2"),
        (b"\x7fELF", "application/x-executable"),
        (b"SQLite format 3\x00", "application/vnd.sqlite3"),
    ];
    if data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    let (_, kind) = KINDS.iter().find(|(start, _)| data.starts_with(start))?;
    // Text may begin like that, too.
    let binary =
        kind.starts_with("image/") || std::str::from_utf8(data).is_err() || data.contains(&0);
    binary.then_some(*kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(data: &[u8], size: u64, reading: Reading) -> Shown {
        let mut content = FileContent { data: data.to_vec(), size, ..FileContent::default() };
        Shown::of(&mut content, reading)
    }

    #[test]
    fn a_page_ends_before_a_character_that_it_would_cut() {
        let page = shown(b"ab\xe2\x82", 9, Reading::Utf8);
        assert_eq!((page.content.as_str(), page.encoding, page.length), ("ab", "utf-8", 2));
    }

    #[test]
    fn what_is_no_text_is_named_and_comes_in_base64_when_asked_for() {
        let page = shown(b"\xff\x00", 2, Reading::Utf8);
        assert_eq!((page.content.as_str(), page.encoding), ("", "none"));
        assert!(page.note.unwrap().contains("application/octet-stream, 2 bytes"));
        assert_eq!(shown(b"\xff\x00", 2, Reading::Base64).content, "/wA=");
        assert!(shown(b"%PDF-1.7\xff", 9, Reading::Utf8).note.unwrap().contains("pdf"));
        assert_eq!(shown(b"%PDF- in text", 13, Reading::Utf8).encoding, "utf-8");
    }

    #[test]
    fn an_image_is_a_block_where_all_of_it_is_there() {
        let image = shown(b"\x89PNG\r\n\x1a\nrest", 12, Reading::Utf8);
        assert_eq!(image.media_type, Some("image/png"));
        assert!(Shown::block(image.image.as_deref(), image.media_type).is_some());
        let part = shown(b"\x89PNG\r\n\x1a\nrest", 99, Reading::Utf8);
        assert_eq!(part.image, None);
        assert!(part.note.unwrap().contains("image/png, 99 bytes"));
    }

    #[test]
    fn encodings_are_taken_at_their_word() {
        assert_eq!(shown(b"caf\xe9", 4, Reading::Latin1).content, "caf\u{e9}");
        assert!(
            shown("é".as_bytes(), 2, Reading::Ascii).note.unwrap().contains("not text in ascii")
        );
        assert_eq!(shown(b"abc", 3, Reading::Ascii).encoding, "ascii");
    }
}
