//! Moves files of any size between here and a gateway's hosts, over HTTP, as they
//! come. `cofferdam cp` uses it.
//!
//! Answers are hostile input until they are checked: what is no file is bounded before
//! it is read, and of a file each byte counts into a digest.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{ClientError, Endpoint};
use crate::http::{FILES_PATH, MCP_PATH};

/// The longest wait for the next byte: people may have to be asked before the first.
const PATIENCE: Duration = Duration::from_mins(10);
/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes of a file that are read at once, and how often ahead.
const CHUNK: usize = 512 * 1024;
const READ_AHEAD: usize = 4;
/// Bytes of an answer that is no file.
const ANSWER: usize = 1 << 20;

/// The files behind one gateway.
#[derive(Debug)]
pub struct Files {
    client: reqwest::Client,
    endpoint: Endpoint,
    base: String,
}

/// A file behind a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The project; none: the only one.
    pub project: Option<String>,
    /// The host; none: the project's first.
    pub host: Option<String>,
    /// Absolute, or relative to the workspace; any bytes.
    pub path: Vec<u8>,
}

/// A file that comes.
#[derive(Debug)]
pub struct Download {
    /// Its size.
    pub size: u64,
    /// Where what comes begins.
    pub offset: u64,
    /// Its permission bits.
    pub mode: u32,
    /// To go on with the same file later.
    pub version: String,
    url: String,
    body: reqwest::Body,
    told: Option<Digests>,
}

/// SHA-256, as the host says it at the end.
#[derive(Debug)]
struct Digests {
    /// Of what came.
    part: Option<Vec<u8>>,
    /// Of the whole file.
    whole: Option<Vec<u8>>,
}

/// A file that goes.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its size.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// Permission bits of a new file.
    pub mode: u32,
    /// Only where nothing is.
    pub only_new: bool,
    /// Make missing parent directories.
    pub make_parents: bool,
    /// Where the body begins.
    pub offset: u64,
}

/// What came of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Uploaded {
    /// The host that has it.
    pub host: String,
    /// The project.
    pub project: String,
    /// The call's id in both journals.
    pub run_id: String,
    /// There was none before.
    pub created: bool,
    /// What could not be kept of the file that was replaced, in words.
    pub notes: Vec<String>,
}

/// A SHA-256 in the making.
#[derive(Clone)]
pub struct Whole(Context);

/// Why a file does not get through.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The URL leads nowhere known.
    #[error("`{0}` does not end in `{MCP_PATH}`; give the MCP URL of the gateway")]
    Url(String),
    /// The gateway does not answer, or stopped to.
    #[error("the connection to the gateway at `{url}` failed: {why}")]
    Broken {
        /// The URL.
        url: String,
        /// Why.
        why: String,
    },
    /// The gateway refuses.
    #[error("{message} ({reason})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// A stable word.
        reason: String,
        /// In words.
        message: String,
        /// Bytes that are kept of an upload.
        kept: Option<u64>,
    },
    /// What answers is no gateway, or one of another version.
    #[error("what answers at `{url}` is no gateway that this program knows: {why}")]
    Strange {
        /// The URL.
        url: String,
        /// What is odd.
        why: String,
    },
}

impl FilesError {
    /// Whether the same may get through a moment later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Refused { status, reason, .. } => {
                matches!(status, 429 | 502 | 503 | 504) && reason != "BAD_RECEIPT"
            }
            Self::Client(_) | Self::Url(_) | Self::Strange { .. } => false,
        }
    }
}

impl Files {
    /// Behind the gateway at this MCP endpoint.
    ///
    /// # Errors
    /// The URL is none of MCP, or the authorities cannot be read.
    pub fn new(endpoint: Endpoint) -> Result<Self, FilesError> {
        let front = endpoint.url.strip_suffix(MCP_PATH);
        let front = front.ok_or_else(|| FilesError::Url(endpoint.url.clone()))?;
        let base = format!("{front}{FILES_PATH}");
        let builder = endpoint.http_builder()?;
        let agent = concat!("cofferdam/", env!("CARGO_PKG_VERSION"));
        let builder = builder.http1_only().user_agent(agent);
        let client = builder.connect_timeout(CONNECT).read_timeout(PATIENCE).build();
        Ok(Self { client: client.map_err(ClientError::from)?, endpoint, base })
    }

    /// Asks for a file; to go on with one that broke off, from an offset and with the
    /// version that it had.
    ///
    /// # Errors
    /// The gateway does not give it.
    pub async fn download(
        &self,
        place: &Place,
        from: Option<(u64, &str)>,
    ) -> Result<Download, FilesError> {
        let url = self.url(place);
        let mut request = self.client.get(&url).header(header::TE, "trailers");
        if let Some((offset, version)) = from {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
            request = request.header(header::IF_MATCH, format!("\"{version}\""));
            request = request.header("want-repr-digest", "sha-256=1");
        }
        let response = self.send(&url, request).await?;
        let strange = |why: &str| FilesError::Strange { url: url.clone(), why: why.to_owned() };
        let headers = response.headers();
        let number = |name: &str| text(headers, name)?.parse::<u64>().ok();
        let size = number("cofferdam-size").ok_or_else(|| strange("it tells no size"))?;
        let offset = number("cofferdam-offset").ok_or_else(|| strange("it tells no offset"))?;
        if offset != from.map_or(0, |(offset, _)| offset) || offset > size {
            return Err(strange("it sends another part than was asked for"));
        }
        let mode = text(headers, "cofferdam-mode").and_then(|it| u32::from_str_radix(it, 8).ok());
        let mode = mode.unwrap_or(0o644) & 0o777;
        let version = text(headers, header::ETAG.as_str()).unwrap_or_default();
        let version = version.trim_matches('"').to_owned();
        let body = http::Response::<reqwest::Body>::from(response).into_body();
        Ok(Download { size, offset, mode, version, url, body, told: None })
    }

    /// Sends a file, or the rest of one; `watch` is told how far it is read.
    ///
    /// # Errors
    /// The gateway does not take it, or not all of it came through.
    pub async fn upload(
        &self,
        place: &Place,
        upload: &Upload,
        file: File,
        watch: impl Fn(u64) + Send + 'static,
    ) -> Result<Uploaded, FilesError> {
        let Upload { size, sha256, mode, only_new, make_parents, offset } = *upload;
        let body = body(file, offset, size, watch);
        let mut url = self.url(place);
        _ = write!(url, "&mode={mode:o}&make_parents={make_parents}&offset={offset}&size={size}");
        let digest = format!("sha-256=:{}:", STANDARD.encode(sha256));
        let mut request = self.client.put(&url).header("repr-digest", digest).body(body);
        request = request.header(header::CONTENT_LENGTH, size - offset);
        if only_new {
            request = request.header(header::IF_NONE_MATCH, "*");
        }
        let response = self.send(&url, request).await?;
        let bytes =
            bounded(&url, http::Response::<reqwest::Body>::from(response).into_body()).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| FilesError::Strange { url, why: error.to_string() })
    }

    async fn send(
        &self,
        url: &str,
        request: RequestBuilder,
    ) -> Result<reqwest::Response, FilesError> {
        let sent = request.bearer_auth(self.endpoint.token.as_str()).send().await;
        let response = sent.map_err(|error| broken(url, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = http::Response::<reqwest::Body>::from(response).into_body();
        Err(refusal(url, status, &bounded(url, body).await?))
    }

    fn url(&self, Place { project, host, path }: &Place) -> String {
        let mut url = format!("{}?path={}", self.base, escaped(path));
        for (name, value) in [("host", host), ("project", project)] {
            if let Some(value) = value {
                _ = write!(url, "&{name}={}", escaped(value.as_bytes()));
            }
        }
        url
    }
}

impl Download {
    /// What comes next; none at the end.
    ///
    /// # Errors
    /// It broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FilesError> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| broken(&self.url, &error))?;
            match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        let digest = |name| text(&trailers, name).and_then(digest_of);
                        let (part, whole) = (digest("content-digest"), digest("repr-digest"));
                        self.told = Some(Digests { part, whole });
                    }
                }
            }
        }
    }

    /// The SHA-256 of the whole file, after its end; none where the host did not say.
    #[must_use]
    pub fn sha256(&self) -> Option<&[u8]> {
        let Digests { part, whole } = self.told.as_ref()?;
        match (whole, self.offset) {
            (Some(whole), _) => Some(whole),
            (None, 0) => part.as_deref(),
            (None, _) => None,
        }
    }
}

/// The bytes of a path as tools tell it; none: it is not right.
#[must_use]
pub fn path_bytes(text: &str) -> Option<Vec<u8>> {
    crate::tools::path_bytes("path", text).ok()
}

/// A path as tools take it, whatever bytes it has.
#[must_use]
pub fn path_text(path: &[u8]) -> String {
    crate::tools::path_text(path)
}

impl Whole {
    /// Of nothing yet.
    #[must_use]
    pub fn begin() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Takes more.
    pub fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all that was taken.
    #[must_use]
    pub fn end(self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Whole")
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(HeaderName::try_from(name).ok()?)?.to_str().ok()
}

/// What of a file lies between `at` and `end`, read by a thread as it is taken.
fn body(file: File, mut at: u64, end: u64, watch: impl Fn(u64) + Send + 'static) -> reqwest::Body {
    if at >= end {
        return reqwest::Body::from("");
    }
    let (sender, chunks) = mpsc::channel::<std::io::Result<Frame<Bytes>>>(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        while at < end {
            let most = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
            let mut chunk = vec![0; most];
            let read = match file.read_at(&mut chunk, at) {
                // It was made shorter; the body breaks off.
                Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    chunk.truncate(read);
                    at += read as u64;
                    Ok(Frame::data(Bytes::from(chunk)))
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
            watch(at);
        }
    });
    reqwest::Body::wrap(StreamBody::new(ReceiverStream::new(chunks)))
}

/// `sha-256=:BASE64:`.
fn digest_of(header: &str) -> Option<Vec<u8>> {
    STANDARD.decode(header.strip_prefix("sha-256=:")?.strip_suffix(':')?).ok()
}

/// Every byte but letters, digits and a few signs as `%HH`.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(*byte));
            }
            other => _ = write!(text, "%{other:02X}"),
        }
    }
    text
}

fn refusal(url: &str, status: StatusCode, bytes: &[u8]) -> FilesError {
    let told: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let error = &told["error"];
    let word = |name: &str| error[name].as_str().map(str::to_owned);
    match (word("reason"), word("message")) {
        (Some(reason), Some(message)) => {
            let kept = error["kept"].as_u64();
            FilesError::Refused { status: status.as_u16(), reason, message, kept }
        }
        _ => FilesError::Strange { url: url.to_owned(), why: format!("it answers {status}") },
    }
}

async fn bounded(url: &str, body: reqwest::Body) -> Result<Vec<u8>, FilesError> {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(url, &error))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > ANSWER - bytes.len() {
            let why = format!("it says more than {ANSWER} bytes");
            return Err(FilesError::Strange { url: url.to_owned(), why });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// The first cause says what happened.
fn broken(url: &str, error: &dyn std::error::Error) -> FilesError {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let url = url.split('?').next().unwrap_or(url).to_owned();
    FilesError::Broken { url, why: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_any_bytes_is_one_value_of_a_query() {
        assert_eq!(escaped(b"a/b c&d=\xff%"), "a/b%20c%26d%3D%FF%25");
    }

    #[test]
    fn a_refusal_is_told_and_what_is_none_is_odd() {
        let told = br#"{"error":{"reason":"UPLOAD_INCOMPLETE","message":"m","kept":7}}"#;
        let refused = refusal("u", StatusCode::CONFLICT, told);
        assert!(matches!(refused, FilesError::Refused { kept: Some(7), .. }), "{refused}");
        assert!(!refused.is_passing());
        let odd = refusal("u", StatusCode::BAD_GATEWAY, b"<html>");
        assert!(matches!(odd, FilesError::Strange { .. }), "{odd}");
    }
}
