//! What a request for a file asks, read from its query and headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_proto::file::v1::write_precondition::Precondition;
use cofferdam_proto::file::v1::{FileDownload, FileUpload, WritePrecondition};
use cofferdam_trust::hex;
use http::{HeaderMap, HeaderName, header};
use serde_json::{Value, json};

use crate::input::BadInput;
use crate::tools::{path_bytes, path_text};

/// RFC 9530: the digest of a whole representation.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// RFC 9530: that it is wanted.
const WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");

/// What a query names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    path: Vec<u8>,
    pub(super) host: Option<String>,
    pub(super) project: Option<String>,
    mode: u32,
    make_parents: bool,
    offset: u64,
    size: Option<u64>,
}

/// Reads a `GET`.
pub(super) fn download(
    query: &str,
    headers: &HeaderMap,
) -> Result<(Query, FileDownload), BadInput> {
    let query = Query::read(query)?;
    let (offset, length) = match text(headers, &header::RANGE)? {
        Some(range) => part(range)?,
        None => (0, 0),
    };
    let version = match text(headers, &header::IF_MATCH)? {
        Some(tag) => digits(&header::IF_MATCH, unquoted(tag), &[16])?,
        None => Vec::new(),
    };
    let whole_digest = offset > 0 && length == 0 && headers.contains_key(WANT_REPR_DIGEST);
    let path = query.path.clone();
    Ok((query, FileDownload { path, offset, length, version, whole_digest }))
}

/// Reads a `PUT`; also where its body begins.
pub(super) fn upload(
    query: &str,
    headers: &HeaderMap,
) -> Result<(Query, FileUpload, u64), BadInput> {
    let query = Query::read(query)?;
    let length = text(headers, &header::CONTENT_LENGTH)?.and_then(|it| it.parse::<u64>().ok());
    let size = query.size.or(length.map(|length| length.saturating_add(query.offset)));
    let size = size.ok_or_else(|| {
        wrong("size", "the size is not known: send `Content-Length`, or `size` in the query")
    })?;
    if query.offset > size {
        return Err(wrong("offset", "`offset` is greater than the size"));
    }
    let sha256 = text(headers, &REPR_DIGEST)?.and_then(digest).ok_or_else(|| {
        wrong(
            "Repr-Digest",
            "the header `Repr-Digest: sha-256=:…:` with the SHA-256 of the whole content in base64 \
             is missing or not right",
        )
    })?;
    let precondition =
        precondition(headers)?.map(|it| WritePrecondition { precondition: Some(it) });
    let Query { mode, make_parents, offset, .. } = query;
    let path = query.path.clone();
    let upload = FileUpload { path, size, sha256, mode, precondition, make_parents };
    Ok((query, upload, offset))
}

/// A precondition as records show it.
pub(super) fn shown(precondition: Option<&WritePrecondition>) -> Value {
    match precondition.and_then(|it| it.precondition.as_ref()) {
        None | Some(Precondition::MustNotExist(false)) => Value::Null,
        Some(Precondition::MustNotExist(true)) => json!("must_not_exist"),
        Some(Precondition::Sha256(it)) => json!(format!("sha256 {}", hex(it))),
        Some(Precondition::Version(it)) => json!(format!("version {}", hex(it))),
    }
}

impl Query {
    fn read(query: &str) -> Result<Self, BadInput> {
        let mut read = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let bytes = unescaped(value).ok_or_else(|| {
                wrong(name, "a `%` is followed by two hexadecimal digits; write it `%25` itself")
            })?;
            let word = || String::from_utf8(bytes.clone()).ok();
            let not_right = || wrong(name, "is not right");
            match name {
                "path" => {
                    // In words, so that records have the same path.
                    read.path = path_bytes("path", &path_text(&bytes))?;
                }
                "host" => read.host = Some(word().ok_or_else(not_right)?),
                "project" => read.project = Some(word().ok_or_else(not_right)?),
                "mode" => {
                    let mode = word().and_then(|it| u32::from_str_radix(&it, 8).ok());
                    read.mode = mode.filter(|mode| *mode <= 0o777).ok_or_else(not_right)?;
                }
                "make_parents" => match word().as_deref() {
                    Some("true") => read.make_parents = true,
                    Some("false") => {}
                    _ => return Err(not_right()),
                },
                "offset" => {
                    read.offset = word().and_then(|it| it.parse().ok()).ok_or_else(not_right)?;
                }
                "size" => {
                    let size = word().and_then(|it| it.parse().ok()).ok_or_else(not_right)?;
                    read.size = Some(size);
                }
                other => {
                    let shown: String = other.chars().take(64).collect();
                    let known = "path, host, project, mode, make_parents, offset, size";
                    return Err(wrong(&shown, &format!("is not known; there are {known}")));
                }
            }
        }
        if read.path.is_empty() {
            return Err(wrong("path", "is missing: /files?path=PATH"));
        }
        Ok(read)
    }
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    Some(bytes)
}

fn precondition(headers: &HeaderMap) -> Result<Option<Precondition>, BadInput> {
    let new = text(headers, &header::IF_NONE_MATCH)?;
    let same = text(headers, &header::IF_MATCH)?;
    match (new, same) {
        (None, None) => Ok(None),
        (Some("*"), None) => Ok(Some(Precondition::MustNotExist(true))),
        (None, Some(tag)) => {
            let bytes = digits(&header::IF_MATCH, unquoted(tag), &[16, 32])?;
            let is_version = bytes.len() == 16;
            Ok(Some(if is_version {
                Precondition::Version(bytes)
            } else {
                Precondition::Sha256(bytes)
            }))
        }
        _ => Err(wrong(
            "If-None-Match",
            "only `If-None-Match: *` is taken, and not beside `If-Match`",
        )),
    }
}

/// `bytes=A-` or `bytes=A-B`, as offset and length.
fn part(range: &str) -> Result<(u64, u64), BadInput> {
    let read = || {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let first: u64 = first.parse().ok()?;
        match last {
            "" => Some((first, 0)),
            last => Some((first, last.parse::<u64>().ok()?.checked_sub(first)?.checked_add(1)?)),
        }
    };
    read().ok_or_else(|| wrong("Range", "only `bytes=A-` and `bytes=A-B` are taken"))
}

/// `sha-256=:BASE64:`, alone or among others.
fn digest(header: &str) -> Option<Vec<u8>> {
    let mut all = header.split(',').filter_map(|one| one.trim().strip_prefix("sha-256=:"));
    let digest = STANDARD.decode(all.next()?.strip_suffix(':')?).ok()?;
    (digest.len() == 32).then_some(digest)
}

fn unquoted(tag: &str) -> &str {
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag)
}

/// Bytes in hexadecimal digits.
fn digits(name: &HeaderName, text: &str, lengths: &[usize]) -> Result<Vec<u8>, BadInput> {
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let bytes =
        bytes.filter(|bytes| lengths.contains(&bytes.len()) && text.len() == bytes.len() * 2);
    bytes.ok_or_else(|| wrong(name.as_str(), "is no version as an earlier answer's `ETag` told it"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, BadInput> {
    let value = headers.get(name).map(http::HeaderValue::to_str).transpose();
    value.map_err(|_| wrong(name.as_str(), "is not text"))
}

fn wrong(field: &str, problem: &str) -> BadInput {
    BadInput::field(field, format!("`{field}`: {problem}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn a_path_is_bytes_and_what_is_not_known_is_refused() {
        let query = Query::read("path=a%20b%ff/c+d&host=web-1&mode=640&make_parents=true").unwrap();
        assert_eq!(query.path, b"a b\xff/c+d");
        assert_eq!(
            (query.host.as_deref(), query.mode, query.make_parents),
            (Some("web-1"), 0o640, true)
        );
        for wrong in [
            "",
            "path=",
            "path=..",
            "path=a/%2e%2e/b",
            "path=%0",
            "path=%00",
            "path=%zz",
            "pat=a",
            "path=a&mode=4755",
            "path=a&mode=x",
            "path=a&offset=-1",
            "path=a&make_parents=1",
            "path=a&size=18446744073709551616",
        ] {
            assert!(Query::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_is_an_offset_and_a_length() {
        assert_eq!(part("bytes=5-").unwrap(), (5, 0));
        assert_eq!(part("bytes=5-5").unwrap(), (5, 1));
        for wrong in
            ["bytes=-5", "bytes=5-4", "lines=1-", "bytes=1-2,4-5", "bytes=0-18446744073709551615"]
        {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_upload_says_its_size_and_its_digest() {
        let digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
        let right = headers(&[("repr-digest", digest), ("content-length", "7")]);
        let (_, upload, offset) = upload("path=a&offset=3", &right).unwrap();
        assert_eq!((upload.size, offset, upload.sha256.len()), (10, 3, 32));
        for wrong in [
            headers(&[("content-length", "7")]),
            headers(&[("repr-digest", digest)]),
            headers(&[("repr-digest", "sha-256=:YQ==:"), ("content-length", "7")]),
            headers(&[("repr-digest", digest), ("content-length", "7"), ("if-match", "\"x\"")]),
            headers(&[
                ("repr-digest", digest),
                ("content-length", "7"),
                ("if-none-match", "\"a\""),
            ]),
        ] {
            assert!(super::upload("path=a", &wrong).is_err(), "{wrong:?}");
        }
        assert!(super::upload("path=a&offset=8&size=7", &right).is_err());
    }
}
