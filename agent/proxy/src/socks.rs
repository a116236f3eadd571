//! SOCKS 5 messages (RFC 1928), read from bytes. Pure: `client` moves them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cofferdam_proxy_protocol::{Place, Target, TargetError};

/// The first byte of every message.
pub const VERSION: u8 = 5;
/// The longest request: a name of 255 bytes.
pub const MAX_REQUEST: usize = 4 + 1 + 255 + 2;
/// The answer to a greeting.
pub const NO_AUTHENTICATION: [u8; 2] = [VERSION, 0];

/// The connection is made.
pub const SUCCEEDED: u8 = 0;
/// The rules do not allow it.
pub const NOT_ALLOWED: u8 = 2;
/// The target cannot be reached.
pub const UNREACHABLE: u8 = 4;

/// What was read of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// Not all of it is here.
    More,
    /// All of it, and how many bytes it took.
    Whole(T, usize),
}

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SocksError {
    /// Another version.
    #[error("the SOCKS message has version {0}; the proxy speaks version 5")]
    Version(u8),
    /// The client wants a password to be asked for.
    #[error("the SOCKS client does not offer to go without authentication; give no user name")]
    Authentication,
    /// BIND or UDP.
    #[error("the SOCKS command {0} is not served; only CONNECT is")]
    Command(u8),
    /// The reserved byte is not 0.
    #[error("the reserved byte of the SOCKS request is {0}, not 0")]
    Reserved(u8),
    /// Neither IPv4, IPv6 nor a name.
    #[error("the SOCKS address type {0} is unknown")]
    AddressType(u8),
    /// The name is not ASCII text.
    #[error("the SOCKS request's name is not ASCII; write it with `xn--` labels")]
    Text,
    /// The name is none.
    #[error("the SOCKS request's name cannot be used: {0}")]
    Name(#[from] TargetError),
    /// Port 0.
    #[error("the SOCKS request has port 0")]
    Port,
}

impl SocksError {
    /// What the client is answered: the code says which.
    #[must_use]
    pub fn reply(&self) -> Vec<u8> {
        match self {
            Self::Authentication => vec![VERSION, 0xff],
            Self::Version(_) => Vec::new(),
            Self::Command(_) => reply(7).to_vec(),
            Self::AddressType(_) => reply(8).to_vec(),
            Self::Reserved(_) | Self::Text | Self::Name(_) | Self::Port => reply(1).to_vec(),
        }
    }
}

/// The reply with `code`. The bound address is left out (0.0.0.0:0): the run
/// has no use for the host's addresses.
#[must_use]
pub fn reply(code: u8) -> [u8; 10] {
    [VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// Reads the client's greeting: version, number of methods, methods.
///
/// # Errors
/// See [`SocksError`].
pub fn greeting(bytes: &[u8]) -> Result<Read<()>, SocksError> {
    version(bytes)?;
    let Some(count) = bytes.get(1) else { return Ok(Read::More) };
    let length = 2 + usize::from(*count);
    match bytes.get(2..length) {
        None => Ok(Read::More),
        Some(methods) if methods.contains(&0) => Ok(Read::Whole((), length)),
        Some(_) => Err(SocksError::Authentication),
    }
}

/// Reads the client's request: version, command, reserved, address, port.
///
/// # Errors
/// See [`SocksError`].
pub fn request(bytes: &[u8]) -> Result<Read<Target>, SocksError> {
    version(bytes)?;
    match bytes.get(1) {
        None | Some(1) => {}
        Some(other) => return Err(SocksError::Command(*other)),
    }
    match bytes.get(2) {
        None | Some(0) => {}
        Some(other) => return Err(SocksError::Reserved(*other)),
    }
    let Some(kind) = bytes.get(3) else { return Ok(Read::More) };
    let rest = &bytes[4..];
    let (place, taken) = match kind {
        1 => match rest.first_chunk::<4>() {
            Some(octets) => (Place::Address(Ipv4Addr::from(*octets).into()), 4),
            None => return Ok(Read::More),
        },
        4 => match rest.first_chunk::<16>() {
            Some(octets) => (Place::address(IpAddr::V6(Ipv6Addr::from(*octets))), 16),
            None => return Ok(Read::More),
        },
        3 => match named(rest)? {
            Read::Whole(place, taken) => (place, taken),
            Read::More => return Ok(Read::More),
        },
        other => return Err(SocksError::AddressType(*other)),
    };
    match rest[taken..].first_chunk::<2>().map(|port| u16::from_be_bytes(*port)) {
        None => Ok(Read::More),
        Some(0) => Err(SocksError::Port),
        Some(port) => Ok(Read::Whole(Target { place, port }, 4 + taken + 2)),
    }
}

/// A name, or an address written as one.
fn named(rest: &[u8]) -> Result<Read<Place>, SocksError> {
    let Some(count) = rest.first() else { return Ok(Read::More) };
    let length = 1 + usize::from(*count);
    let Some(name) = rest.get(1..length) else { return Ok(Read::More) };
    if !name.is_ascii() {
        return Err(SocksError::Text);
    }
    let name = std::str::from_utf8(name).map_err(|_| SocksError::Text)?;
    Ok(Read::Whole(name.parse()?, length))
}

fn version(bytes: &[u8]) -> Result<(), SocksError> {
    match bytes.first() {
        None | Some(&VERSION) => Ok(()),
        Some(other) => Err(SocksError::Version(*other)),
    }
}

#[cfg(test)]
mod tests;
