//! HTTP/1.1 requests of runs (RFC 9112), read from bytes. Pure: `client` moves
//! them.
//!
//! Invariant: what is sent on can be read in one way only. Lines end in CRLF
//! and are not folded, a body has one length, `Host` is the URI's, and the head
//! is written anew from what was understood, so that target and proxy cannot
//! disagree about where a request ends or whom it is for.

mod chunked;
mod fields;

use std::fmt::Write as _;
use std::str::FromStr;

use cofferdam_proxy_protocol::{Place, Target, TargetError};

pub use chunked::{Chunked, ChunkedError};
pub(crate) use fields::Fields;
use fields::check_lines;
pub use fields::head_length;

/// The longest head of a request.
pub const MAX_HEAD: usize = 16 * 1024;
/// Header fields of a request, at most.
const MAX_FIELDS: usize = 100;
const HTTP_PORT: u16 = 80;

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it goes.
    pub target: Target,
    /// What is asked.
    pub asks: Asks,
}

/// What a request asks of the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// CONNECT: a tunnel.
    Tunnel,
    /// To send a request on.
    Forward {
        /// The head as the target gets it.
        head: Vec<u8>,
        /// What follows the head.
        body: Body,
    },
}

/// What follows a request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many bytes, 0 where there is none.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A line that does not end in CRLF, is folded, or has a control character.
    #[error("the head has a bare CR or LF, a folded line or a control character")]
    Lines,
    /// Not HTTP/1.
    #[error("the head is not HTTP/1: {0}")]
    Parse(String),
    /// More fields than any client sends.
    #[error("the head has more than {MAX_FIELDS} fields")]
    TooMany,
    /// A path, as servers get it.
    #[error(
        "this is a proxy: ask for a whole URI such as `GET http://name/path`, or `CONNECT name:443`"
    )]
    Origin,
    /// A scheme that is not forwarded.
    #[error("only `http://` is forwarded; use CONNECT for everything else")]
    Scheme,
    /// The URI has what no client sends to a proxy.
    #[error("the URI has a user name, a fragment or a character that URIs do not have")]
    Uri,
    /// The target means nothing.
    #[error("the target cannot be used: {0}")]
    Target(#[from] TargetError),
    /// No `Host`, or several.
    #[error("the request needs exactly one Host field")]
    Host,
    /// `Host` is not the URI's.
    #[error("the Host field names another target than the request's URI")]
    OtherHost,
    /// Two ways to find the end of the body.
    #[error("the body's length is given twice, or in a way that is not served")]
    Length,
    /// A CONNECT with a body.
    #[error("CONNECT has no body")]
    ConnectBody,
}

impl Request {
    /// Reads a whole head, with the empty line at its end.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn parse(head: &[u8]) -> Result<Self, RequestError> {
        check_lines(head).ok_or(RequestError::Lines)?;
        let mut space = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut space);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err(RequestError::Lines),
            Err(httparse::Error::TooManyHeaders) => return Err(RequestError::TooMany),
            Err(error) => return Err(RequestError::Parse(error.to_string())),
        }
        let (Some(method), Some(uri), Some(version)) = (parsed.method, parsed.path, parsed.version)
        else {
            return Err(RequestError::Lines);
        };
        let fields = Fields(parsed.headers);
        if method == "CONNECT" {
            connect(uri, &fields)
        } else {
            forward(method, uri, version, &fields)
        }
    }
}

fn connect(authority: &str, fields: &Fields<'_>) -> Result<Request, RequestError> {
    let target: Target = authority.parse()?;
    // HTTP/1.0 clients may leave it out.
    if fields.all("host").count() > 0 {
        check_host(&target, fields, None)?;
    }
    match body(fields, 1)? {
        Body::Length(0) => Ok(Request { target, asks: Asks::Tunnel }),
        _ => Err(RequestError::ConnectBody),
    }
}

fn forward(
    method: &str,
    uri: &str,
    version: u8,
    fields: &Fields<'_>,
) -> Result<Request, RequestError> {
    if uri.starts_with('/') || uri == "*" {
        return Err(RequestError::Origin);
    }
    let scheme = "http://";
    let rest = match uri.split_at_checked(scheme.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(scheme) => rest,
        _ => return Err(RequestError::Scheme),
    };
    if !uri.bytes().all(|b| b.is_ascii_graphic()) || rest.contains('#') {
        return Err(RequestError::Uri);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(RequestError::Uri);
    }
    let target = with_default_port(authority)?;
    check_host(&target, fields, Some(HTTP_PORT))?;
    let body = body(fields, version)?;
    let path = match (path, method) {
        ("", "OPTIONS") => "*".to_owned(),
        (path, _) if path.starts_with('/') => path.to_owned(),
        (query, _) => format!("/{query}"),
    };
    let mut head = format!("{method} {path} HTTP/1.{version}\r\nHost: {}\r\n", host(&target));
    match body {
        Body::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
        // Where the client gave no length, there is no body to give one for.
        Body::Length(length) if fields.all("content-length").count() > 0 => {
            // Writing to a String does not fail.
            let _ = write!(head, "Content-Length: {length}\r\n");
        }
        Body::Length(_) => {}
    }
    let mut head = head.into_bytes();
    fields.write_end_to_end(&mut head, &["host", "content-length"]);
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    Ok(Request { target, asks: Asks::Forward { head, body } })
}

/// `Host` as it is written for `target`.
fn host(target: &Target) -> String {
    match target.port {
        HTTP_PORT => target.place.to_string(),
        _ => target.to_string(),
    }
}

fn with_default_port(authority: &str) -> Result<Target, TargetError> {
    match Target::from_str(authority) {
        Err(TargetError::NoPort) => Ok(Target { place: authority.parse()?, port: HTTP_PORT }),
        // `[::1]` has colons and no port.
        Err(_) if authority.ends_with(']') => {
            Ok(Target { place: authority.parse::<Place>()?, port: HTTP_PORT })
        }
        other => other,
    }
}

/// Exactly one `Host`, and the same as `target`. Some clients leave the port
/// out of a CONNECT's.
fn check_host(
    target: &Target,
    fields: &Fields<'_>,
    default_port: Option<u16>,
) -> Result<(), RequestError> {
    let mut hosts = fields.all("host");
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(RequestError::Host) };
    let host = std::str::from_utf8(host).map_err(|_| RequestError::Host)?;
    let port = default_port.unwrap_or(target.port);
    let same = match (host.parse::<Target>(), host.parse::<Place>()) {
        (Ok(named), _) => named == *target,
        (Err(_), Ok(place)) => place == target.place && port == target.port,
        (Err(_), Err(_)) => false,
    };
    if same { Ok(()) } else { Err(RequestError::OtherHost) }
}

/// How the body ends (RFC 9112, section 6.3), refusing what two readers could
/// understand in two ways.
fn body(fields: &Fields<'_>, version: u8) -> Result<Body, RequestError> {
    let mut lengths = fields.all("content-length");
    let mut codings = fields.all("transfer-encoding");
    let found = [lengths.next(), lengths.next(), codings.next(), codings.next()];
    match found {
        [None, None, None, None] => Ok(Body::Length(0)),
        [Some(length), None, None, None] => {
            let plain = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
            number.filter(|_| plain).map(Body::Length).ok_or(RequestError::Length)
        }
        [None, None, Some(coding), None] if version == 1 => {
            if coding.eq_ignore_ascii_case(b"chunked") {
                Ok(Body::Chunked)
            } else {
                Err(RequestError::Length)
            }
        }
        _ => Err(RequestError::Length),
    }
}

#[cfg(test)]
mod tests;
