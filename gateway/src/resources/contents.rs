//! How bytes become the contents of a resource: text where they are text, else a blob,
//! with a media type, and with where to read on where that was not all.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rmcp::model::{MetaObject, ResourceContents};
use serde_json::{Value, json};

use crate::tools::media_type;

/// What `_meta` of contents calls the URI of what comes after them.
const NEXT: &str = "cofferdam/next";

/// Media types of text, by the end of a name; everything else that is text is plain.
const TEXTS: [(&str, &str); 22] = [
    ("c", "text/x-c"),
    ("cpp", "text/x-c++"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("diff", "text/x-diff"),
    ("go", "text/x-go"),
    ("h", "text/x-c"),
    ("html", "text/html"),
    ("java", "text/x-java"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("patch", "text/x-diff"),
    ("py", "text/x-python"),
    ("rs", "text/x-rust"),
    ("sh", "text/x-shellscript"),
    ("sql", "application/sql"),
    ("svg", "image/svg+xml"),
    ("toml", "application/toml"),
    ("ts", "text/x-typescript"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
];

/// A part of something that has a URI.
pub(super) struct Piece {
    /// As it was asked for.
    pub(super) uri: String,
    /// The name whose end tells what text it is; empty: none does.
    pub(super) name: Vec<u8>,
    pub(super) data: Vec<u8>,
    /// Where `data` begins in the whole.
    pub(super) offset: u64,
    /// Whether more follows, so that a character may be cut at the end.
    pub(super) more: bool,
}

impl Piece {
    /// Its contents, and how many of its bytes they are: a character that the end cuts
    /// is left to the next piece.
    pub(super) fn contents(self) -> (ResourceContents, u64) {
        let Self { uri, name, data, offset, more } = self;
        let kind = if offset == 0 { media_type(&data) } else { None };
        let data = match kind {
            Some(_) => Err(data),
            None => text(data, more),
        };
        match data {
            Ok(text) => {
                let length = text.len() as u64;
                let contents = ResourceContents::text(text, uri).with_mime_type(of_text(&name));
                (contents, length)
            }
            Err(data) => {
                let kind = kind.unwrap_or("application/octet-stream");
                let blob = ResourceContents::blob(BASE64_STANDARD.encode(&data), uri);
                (blob.with_mime_type(kind), data.len() as u64)
            }
        }
    }
}

/// Text in UTF-8 without NUL, or the bytes as they were.
fn text(mut data: Vec<u8>, more: bool) -> Result<String, Vec<u8>> {
    if let Err(error) = std::str::from_utf8(&data) {
        let (valid, is_cut) = (error.valid_up_to(), error.error_len().is_none());
        if !(is_cut && more && valid > 0) {
            return Err(data);
        }
        data.truncate(valid);
    }
    if data.contains(&0) {
        return Err(data);
    }
    String::from_utf8(data).map_err(std::string::FromUtf8Error::into_bytes)
}

fn of_text(name: &[u8]) -> &'static str {
    let end = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let found = TEXTS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(end));
    found.map_or("text/plain", |(_, kind)| kind)
}

/// Contents that say where in the whole they are, and where to read on.
pub(super) fn placed(
    contents: ResourceContents,
    place: &[(&str, Value)],
    next: Option<&str>,
) -> ResourceContents {
    let mut meta = MetaObject::new();
    for (name, value) in place {
        meta.insert(format!("cofferdam/{name}"), value.clone());
    }
    if let Some(next) = next {
        meta.insert(NEXT.to_owned(), json!(next));
    }
    contents.with_meta(meta)
}

/// Says that what comes before it is not all, for clients that show no `_meta`.
pub(super) fn read_on(next: &str, left: &str) -> ResourceContents {
    let text = format!("This is not all: {left}. Read the resource {next} to go on.");
    ResourceContents::text(text, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(name: &str, data: &[u8], more: bool) -> (ResourceContents, u64) {
        let (uri, name, data) = ("cofferdam://h/x".to_owned(), name.into(), data.to_vec());
        Piece { uri, name, data, offset: 0, more }.contents()
    }

    #[test]
    fn text_is_text_and_all_else_a_blob_with_its_kind() {
        let kind = |name: &str, data: &[u8]| match piece(name, data, false).0 {
            ResourceContents::TextResourceContents { mime_type, .. } => (true, mime_type.unwrap()),
            ResourceContents::BlobResourceContents { mime_type, .. } => (false, mime_type.unwrap()),
            _ => panic!("neither text nor blob"),
        };
        assert_eq!(kind("src/main.rs", b"fn main() {}"), (true, "text/x-rust".into()));
        assert_eq!(kind("Makefile", b"all:"), (true, "text/plain".into()));
        assert_eq!(kind("empty.MD", b""), (true, "text/markdown".into()));
        assert_eq!(kind("a.png", b"\x89PNG\r\n\x1a\n.."), (false, "image/png".into()));
        assert_eq!(kind("a.txt", b"a\0b"), (false, "application/octet-stream".into()));
        assert_eq!(kind("a.txt", b"caf\xe9"), (false, "application/octet-stream".into()));
    }

    #[test]
    fn a_character_that_the_end_cuts_is_left_to_the_next_piece() {
        assert_eq!(piece("a", b"ab\xe2\x82", true).1, 2);
        assert!(matches!(
            piece("a", b"ab\xe2\x82", false),
            (ResourceContents::BlobResourceContents { .. }, 4)
        ));
    }
}
