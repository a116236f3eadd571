//! The URIs of resources, and what they name.
//!
//! ```text
//! cofferdam://HOST/files/PROJECT/PATH[?offset=BYTES&length=BYTES]   a file
//! cofferdam://HOST/files/PROJECT/PATH/[?after=PATH]                 a directory
//! cofferdam://HOST/runs/RUN/output|stdout|stderr[?offset=…&length=…]
//! ```
//!
//! PATH is relative to the project's workspace; with nothing there, the workspace is
//! meant. A name on Linux is bytes: each that RFC 3986 does not let stand for itself is
//! percent-encoded, so that every name has a URI, one that is not UTF-8 too.
//!
//! Invariants: what is parsed names exactly one thing, written in one way but for
//! needless escapes; a path has no `..`, `.`, empty or NUL part, also not in an escape,
//! and an escape never makes a slash. Whether the caller may see what is named is not
//! looked at here.

use std::fmt;

use uuid::Uuid;

use crate::input::MAX_PATH;

/// What every URI of ours begins with.
pub(crate) const SCHEME: &str = "cofferdam://";
/// Bytes of a URI: a path of which each byte is escaped, and what is around it.
const MAX_URI: usize = 3 * MAX_PATH + 4096;
/// Hexadecimal digits of escapes.
const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// What a URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uri {
    pub(crate) host: String,
    pub(crate) what: What,
}

/// What it names on its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A file of a workspace.
    File { project: String, path: Vec<u8>, part: Part },
    /// A directory of a workspace; an empty path is the workspace.
    Directory { project: String, path: Vec<u8>, after: Vec<u8> },
    /// What a run printed.
    Output { run: String, streams: Streams, part: Part },
}

/// Which part of something long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Part {
    /// The first byte.
    pub(crate) offset: u64,
    /// At most so many; none: as many as one answer gives.
    pub(crate) length: Option<u64>,
}

/// Streams of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    Both,
    Stdout,
    Stderr,
}

/// Why a text is no URI of a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UriError {
    #[error("the URI has {0} bytes; at most {MAX_URI} are taken")]
    TooLong(usize),
    #[error(
        "resources here have URIs that begin with `cofferdam://`; resources/templates/list shows them"
    )]
    Foreign,
    #[error("the URI has {0}; escape it with a percent sign and two hexadecimal digits")]
    Unescaped(&'static str),
    #[error("the URI has a percent sign that is not followed by two hexadecimal digits")]
    BadEscape,
    #[error("the URI has {0} in its path, which no resource has; name the thing directly")]
    BadPart(&'static str),
    #[error("the URI's path has {0} bytes when decoded; Linux takes at most {MAX_PATH}")]
    PathTooLong(usize),
    #[error(
        "the URI names no kind of resource: after the host comes `files/PROJECT/PATH`, or `runs/RUN/output`, `stdout` or `stderr`"
    )]
    Kind,
    #[error("the URI's query has `{0}`, which is not taken here; there are {1}")]
    Query(String, &'static str),
}

impl Uri {
    /// Reads a URI that somebody sent.
    pub(crate) fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI {
            return Err(UriError::TooLong(text.len()));
        }
        let rest = text.strip_prefix(SCHEME).ok_or(UriError::Foreign)?;
        refuse_unescaped(rest)?;
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (host, place) = place.split_once('/').ok_or(UriError::Kind)?;
        let host = word(host)?;
        let what = match place.split_once('/') {
            Some(("files", place)) => files(place, query)?,
            Some(("runs", place)) => output(place, query)?,
            _ => return Err(UriError::Kind),
        };
        Ok(Self { host, what })
    }

    /// The workspace of a project on a host.
    pub(crate) fn workspace(host: &str, project: &str) -> Self {
        let (project, path) = (project.to_owned(), Vec::new());
        Self { host: host.to_owned(), what: What::Directory { project, path, after: Vec::new() } }
    }

    /// What a run printed.
    pub(crate) fn output(host: &str, run: &str, streams: Streams, offset: u64) -> Self {
        let part = Part { offset, length: None };
        let what = What::Output { run: run.to_owned(), streams, part };
        Self { host: host.to_owned(), what }
    }
}

/// What may stand in no URI as it is, and a fragment, which is a client's own matter.
fn refuse_unescaped(text: &str) -> Result<(), UriError> {
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(UriError::Unescaped("a space or a control character in it"));
    }
    if text.contains('#') {
        return Err(UriError::Unescaped("`#` in it"));
    }
    Ok(())
}

fn files(place: &str, query: Option<&str>) -> Result<What, UriError> {
    let (project, path) = place.split_once('/').ok_or(UriError::Kind)?;
    let project = word(project)?;
    let (path, is_directory) = match path.strip_suffix('/') {
        _ if path.is_empty() => ("", true),
        Some("") => return Err(UriError::BadPart("an empty part")),
        Some(path) => (path, true),
        None => (path, false),
    };
    let path = decoded_path(path)?;
    if !is_directory {
        return Ok(What::File { project, path, part: part(query)? });
    }
    let mut after = Vec::new();
    for (name, value) in pairs(query) {
        match name {
            "after" if after.is_empty() => after = decoded_path(value)?,
            other => return Err(UriError::Query(other.to_owned(), "`after`, once")),
        }
    }
    Ok(What::Directory { project, path, after })
}

fn output(place: &str, query: Option<&str>) -> Result<What, UriError> {
    let (run, streams) = place.split_once('/').ok_or(UriError::Kind)?;
    let streams = match streams {
        "output" => Streams::Both,
        "stdout" => Streams::Stdout,
        "stderr" => Streams::Stderr,
        _ => return Err(UriError::Kind),
    };
    // What is no id of a run is the id of none: whoever asks is told so alike.
    let run = word(run)?;
    let run = Uuid::parse_str(&run).map_or(run, |id| id.to_string());
    Ok(What::Output { run, streams, part: part(query)? })
}

fn part(query: Option<&str>) -> Result<Part, UriError> {
    const TAKEN: &str = "`offset` and `length`, each once, in bytes";
    let (mut offset, mut length) = (None, None);
    for (name, value) in pairs(query) {
        let field = match name {
            "offset" => &mut offset,
            "length" => &mut length,
            other => return Err(UriError::Query(other.to_owned(), TAKEN)),
        };
        // `parse` takes a sign, too.
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse::<u64>().ok().filter(|it| is_number && i64::try_from(*it).is_ok());
        if field.is_some() || number.is_none() {
            return Err(UriError::Query(format!("{name}={value}"), TAKEN));
        }
        *field = number;
    }
    Ok(Part { offset: offset.unwrap_or(0), length })
}

fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let query = query.filter(|query| !query.is_empty());
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// A host, a project or a run: a text with nothing hidden in it.
fn word(text: &str) -> Result<String, UriError> {
    let bytes = decoded(text)?;
    if bytes.is_empty() {
        return Err(UriError::BadPart("an empty part"));
    }
    if bytes.contains(&b'/') || bytes.iter().any(u8::is_ascii_control) {
        return Err(UriError::BadPart("an escaped slash or control character"));
    }
    String::from_utf8(bytes).map_err(|_| UriError::BadPart("a name that is not UTF-8"))
}

/// A path relative to a workspace; empty: the workspace.
fn decoded_path(text: &str) -> Result<Vec<u8>, UriError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut path = Vec::with_capacity(text.len());
    for part in text.split('/') {
        let part = decoded(part)?;
        match part.as_slice() {
            b"" => return Err(UriError::BadPart("an empty part")),
            b"." | b".." => return Err(UriError::BadPart("`.` or `..`")),
            part if part.contains(&0) => return Err(UriError::BadPart("a NUL byte")),
            part if part.contains(&b'/') => return Err(UriError::BadPart("an escaped slash")),
            _ => {}
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(part);
    }
    match path.len() {
        length if length > MAX_PATH => Err(UriError::PathTooLong(length)),
        _ => Ok(path),
    }
}

/// Bytes with their escapes taken out.
pub(crate) fn decoded(text: &str) -> Result<Vec<u8>, UriError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit(), digit());
        let (Some(high), Some(low)) = (high, low) else { return Err(UriError::BadEscape) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| UriError::BadEscape)?);
    }
    Ok(bytes)
}

/// Bytes as a part of a URI: slashes stand, and so does what RFC 3986 calls unreserved.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    text
}

/// The same for a person who completes it: letters of other scripts stand, because
/// clients escape those themselves.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                letter if letter.is_alphabetic() => text.push(letter),
                letter => text += &encoded(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        text += &encoded(chunk.invalid());
    }
    text
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, what } = self;
        write!(f, "{SCHEME}{}/", encoded(host.as_bytes()))?;
        match what {
            What::File { project, path, part } => {
                write!(f, "files/{}/{}{part}", encoded(project.as_bytes()), encoded(path))
            }
            What::Directory { project, path, after } => {
                write!(f, "files/{}/{}", encoded(project.as_bytes()), encoded(path))?;
                if !path.is_empty() {
                    f.write_str("/")?;
                }
                match after.as_slice() {
                    b"" => Ok(()),
                    after => write!(f, "?after={}", encoded(after)),
                }
            }
            What::Output { run, streams, part } => {
                write!(f, "runs/{}/{}{part}", encoded(run.as_bytes()), streams.name())
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { offset: 0, length: None } => Ok(()),
            Self { offset, length: None } => write!(f, "?offset={offset}"),
            Self { offset: 0, length: Some(length) } => write!(f, "?length={length}"),
            Self { offset, length: Some(length) } => write!(f, "?offset={offset}&length={length}"),
        }
    }
}

impl Streams {
    /// As a URI has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Both => "output",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

#[cfg(test)]
mod tests;
