//! Destinations: the patterns of rules, profiles and the ceiling.
//!
//! | written | reaches |
//! |---|---|
//! | `example.org:443` | that name; TLS whose server name is that name |
//! | `*.example.org:443` | every name beneath it, not itself |
//! | `*:443` | every name, no address |
//! | `example.org:8000-8100` | a range of ports; any bytes but on port 443 |
//! | `192.0.2.1:22`, `[2001:db8::1]:22` | an address |
//! | `10.0.0.0/8:5432`, `[fd00::/8]:5432` | a block of addresses |
//! | `tcp://example.org:443` | any bytes, also on port 443 |
//! | `tls://example.org:8443` | TLS, also on another port |
//!
//! An address is also what lets a name resolve to an address that is not
//! public; see [`crate::Lists`].

use std::fmt;
use std::str::FromStr;

use crate::block::{Block, BlockError};
use crate::name::{HostName, NameError};
use crate::ports::{Ports, PortsError};
use crate::target::{Place, Target};

/// The port that must speak TLS unless a destination says `tcp://`.
const TLS_PORT: u16 = 443;
/// The longest destination in text: scheme, `*.`, a name, a range of ports.
pub(crate) const MAX_TEXT: usize = 280;

/// A pattern of targets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    places: Places,
    ports: Ports,
    /// What its scheme says; without one, the port decides.
    scheme: Option<Speech>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Places {
    AnyName,
    Name(HostName),
    Beneath(HostName),
    Block(Block),
}

/// What must be spoken to a target; the stricter is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speech {
    /// Any bytes.
    Any,
    /// TLS whose server name is the target's.
    Tls,
}

/// Why a text is not a destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// Longer than any destination.
    #[error("a destination has at most {MAX_TEXT} bytes; this has {0}")]
    TooLong(usize),
    /// A scheme that is none of ours.
    #[error(
        "the scheme {0:?} is unknown; write `name:port`, `tcp://name:port` for any bytes or `tls://name:port` for TLS"
    )]
    Scheme(String),
    /// No port.
    #[error("the port is missing; write `name:443`, or `name:1-65535` for every port")]
    NoPort,
    /// The ports mean nothing.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// An IPv6 address without brackets.
    #[error("an IPv6 address stands in brackets: `[2001:db8::1]:443`, `[2001:db8::/32]:443`")]
    Brackets,
    /// The name means nothing.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The address or block means nothing.
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl Destination {
    /// Whether `target` is one of its targets.
    #[must_use]
    pub fn allows(&self, target: &Target) -> bool {
        self.ports.contain(target.port)
            && match (&self.places, &target.place) {
                (Places::AnyName, Place::Name(_)) => true,
                (Places::Name(own), Place::Name(name)) => own == name,
                (Places::Beneath(own), Place::Name(name)) => name.is_beneath(own),
                (Places::Block(block), Place::Address(address)) => block.allows(*address),
                _ => false,
            }
    }

    /// What must be spoken on `port`.
    #[must_use]
    pub fn speech(&self, port: u16) -> Speech {
        let by_port = if port == TLS_PORT { Speech::Tls } else { Speech::Any };
        self.scheme.unwrap_or(by_port)
    }

    /// Whether everything that `other` allows is allowed by this one too, with
    /// no more freedom in what is spoken.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.ports.cover(other.ports)
            && match (&self.places, &other.places) {
                (Places::AnyName, Places::AnyName | Places::Name(_) | Places::Beneath(_)) => true,
                (Places::Name(own), Places::Name(name)) => own == name,
                (Places::Beneath(own), Places::Name(name)) => name.is_beneath(own),
                (Places::Beneath(own), Places::Beneath(name)) => {
                    own == name || name.is_beneath(own)
                }
                (Places::Block(own), Places::Block(block)) => own.covers(*block),
                _ => false,
            }
            && self.speech_covers(other)
    }

    /// Whether it asks for no more than `other` on every port of `other`.
    fn speech_covers(&self, other: &Self) -> bool {
        match (self.scheme, other.scheme) {
            (Some(Speech::Any), _) | (_, Some(Speech::Tls)) | (None, None) => true,
            (None, Some(Speech::Any)) => !other.ports.contain(TLS_PORT),
            (Some(Speech::Tls), None) => other.ports.are_just(TLS_PORT),
            (Some(Speech::Tls), Some(Speech::Any)) => false,
        }
    }

    /// The block, if it is addresses and not names.
    pub(crate) fn block(&self) -> Option<Block> {
        match self.places {
            Places::Block(block) => Some(block),
            Places::AnyName | Places::Name(_) | Places::Beneath(_) => None,
        }
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        if text.len() > MAX_TEXT {
            return Err(DestinationError::TooLong(text.len()));
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("tcp", rest)) => (Some(Speech::Any), rest),
            Some(("tls", rest)) => (Some(Speech::Tls), rest),
            Some((other, _)) => {
                return Err(DestinationError::Scheme(other.chars().take(20).collect()));
            }
        };
        let (places, ports) = rest.rsplit_once(':').ok_or(DestinationError::NoPort)?;
        Ok(Self { places: places.parse()?, ports: ports.parse()?, scheme })
    }
}

impl FromStr for Places {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or(DestinationError::Brackets)?;
            if !inner.contains(':') {
                return Err(DestinationError::Brackets);
            }
            return Ok(Self::Block(inner.parse()?));
        }
        if text.contains(':') {
            return Err(DestinationError::Brackets);
        }
        if text.contains('/') || text.parse::<std::net::Ipv4Addr>().is_ok() {
            return Ok(Self::Block(text.parse()?));
        }
        match text.strip_prefix('*') {
            Some("") => Ok(Self::AnyName),
            Some(rest) if rest.starts_with('.') => Ok(Self::Beneath(rest[1..].parse()?)),
            _ => Ok(Self::Name(text.parse()?)),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            None => "",
            Some(Speech::Any) => "tcp://",
            Some(Speech::Tls) => "tls://",
        })?;
        match &self.places {
            Places::AnyName => f.write_str("*")?,
            Places::Name(name) => write!(f, "{name}")?,
            Places::Beneath(name) => write!(f, "*.{name}")?,
            Places::Block(block) => write!(f, "{block}")?,
        }
        write!(f, ":{}", self.ports)
    }
}

#[cfg(test)]
mod tests;
