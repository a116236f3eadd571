//! One record: a line of canonical JSON with its place in the chain.
//!
//! `{"body":…,"hash":"…","kind":"…","prev":"…","seq":1,"time":"…"}`. The hash is
//! SHA-256 over the same line without its `hash` key, so it covers the body, the
//! time, the sequence and, through `prev`, every record before.

use serde_json::{Map, Value};

use crate::broken::Fault;
use crate::canonical::canonical;
use crate::digest::Digest;
use crate::entry::Body;

/// The longest record, in bytes, its newline included.
pub const MAX_RECORD: usize = 1024 * 1024;

/// One record, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counted from 1.
    pub sequence: u64,
    /// When it was appended: RFC 3339, microseconds, UTC.
    pub time: String,
    /// What it says.
    pub body: Body,
    /// Hash of the record before.
    pub previous: Digest,
    /// Its own hash.
    pub hash: Digest,
}

/// A record's line, ready to be written.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) line: String,
    pub(crate) hash: Digest,
}

/// Makes the line of a record. `body` is canonical JSON already.
pub(crate) fn seal(kind: &str, body: &str, sequence: u64, time: &str, previous: Digest) -> Sealed {
    let rest =
        format!(r#","kind":"{kind}","prev":"{previous}","seq":{sequence},"time":"{time}"}}"#);
    let start = format!(r#"{{"body":{body}"#);
    let hash = Digest::of([start.as_str(), rest.as_str()].concat().as_bytes());
    Sealed { line: format!("{start},\"hash\":\"{hash}\"{rest}\n"), hash }
}

/// The kind and the canonical body of what is to be appended.
pub(crate) fn body_text(body: &Body) -> Result<String, Fault> {
    let unwritable = |reason: String| Fault::NotARecord { reason };
    let value = serde_json::to_value(body).map_err(|error| unwritable(error.to_string()))?;
    let body = value.get("body").unwrap_or(&Value::Null);
    canonical(body).map_err(|error| unwritable(error.to_string()))
}

impl Record {
    /// Reads a line (without its newline), checking its form and its own hash.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Fault> {
        let not = |reason: &str| Fault::NotARecord { reason: reason.to_owned() };
        let value: Value = serde_json::from_slice(line)
            .map_err(|error| Fault::NotARecord { reason: error.to_string() })?;
        if canonical(&value).ok().as_deref().map(str::as_bytes) != Some(line) {
            return Err(not("it is not canonical JSON"));
        }
        let Value::Object(mut fields) = value else { return Err(not("it is not an object")) };
        let hash: Digest =
            take_text(&mut fields, "hash")?.parse().map_err(|_| not("its hash is not a digest"))?;
        if Digest::of(without_hash(line, hash).as_bytes()) != hash {
            return Err(Fault::Edited);
        }
        let previous =
            take_text(&mut fields, "prev")?.parse().map_err(|_| not("its prev is not a digest"))?;
        let time = take_text(&mut fields, "time")?;
        let sequence = fields
            .remove("seq")
            .and_then(|seq| seq.as_u64())
            .ok_or_else(|| not("it has no sequence"))?;
        let body = serde_json::from_value(Value::Object(fields))
            .map_err(|error| Fault::NotARecord { reason: error.to_string() })?;
        Ok(Self { sequence, time, body, previous, hash })
    }

    /// The record as one canonical line, as it stands in the journal; no newline.
    pub fn to_json(&self) -> String {
        // A body that was read was written before, so it has a text.
        let body = body_text(&self.body).unwrap_or_else(|_| "null".to_owned());
        let mut line = seal(self.body.kind(), &body, self.sequence, &self.time, self.previous).line;
        line.pop();
        line
    }
}

fn take_text(fields: &mut Map<String, Value>, key: &'static str) -> Result<String, Fault> {
    match fields.remove(key) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Fault::NotARecord { reason: format!("it has no text `{key}`") }),
    }
}

/// The line without its `hash` key, which comes right after the body: in a
/// canonical line the last place where that text stands outside of the body.
fn without_hash(line: &[u8], hash: Digest) -> String {
    let line = String::from_utf8_lossy(line);
    let key = format!(r#","hash":"{hash}""#);
    match line.rfind(&key) {
        Some(at) => [&line[..at], &line[at + key.len()..]].concat(),
        None => line.into_owned(),
    }
}
