//! Targets: the one place that a run asks for.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::name::{HostName, NameError};
use crate::ports::{PortsError, port};

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A name, to be resolved.
    Name(HostName),
    /// An address; an IPv4 address in IPv6 clothes stands here as IPv4.
    Address(IpAddr),
}

/// A place and a port, never 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where.
    pub place: Place,
    /// The TCP port.
    pub port: u16,
}

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No port.
    #[error("the port is missing; write `name:port`")]
    NoPort,
    /// The port means nothing.
    #[error(transparent)]
    Port(#[from] PortsError),
    /// The name means nothing.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What stands in brackets is no IPv6 address.
    #[error("what stands in brackets is no IPv6 address")]
    Brackets,
}

impl Place {
    /// An address, in whichever family it came.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl FromStr for Place {
    type Err = TargetError;

    /// A name, an IPv4 address, or an IPv6 address in brackets.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or(TargetError::Brackets)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| TargetError::Brackets)?;
            return Ok(Self::address(address.into()));
        }
        match text.parse() {
            Ok(address) => Ok(Self::Address(IpAddr::V4(address))),
            Err(_) => Ok(Self::Name(text.parse()?)),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (place, number) = text.rsplit_once(':').ok_or(TargetError::NoPort)?;
        Ok(Self { place: place.parse()?, port: port(number)? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.place, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_place_and_a_port() {
        for text in ["example.org:443", "192.0.2.1:80", "[2001:db8::1]:8080"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        let mapped: Target = "[::ffff:127.0.0.1]:80".parse().unwrap();
        assert_eq!(mapped.to_string(), "127.0.0.1:80");
    }

    #[test]
    fn what_is_not_surely_a_target_is_refused() {
        for text in [
            "example.org",
            "example.org:",
            "example.org:0",
            "example.org:+80",
            "example.org:080",
            "example.org:65536",
            ":443",
            "2001:db8::1:443",
            "[::1:443",
            "[::1%lo]:443",
            "[example.org]:443",
            "0x7f.1:80",
            "2130706433:80",
            "127.1:80",
            "user@example.org:443",
            "example.org.:443",
            "exa\0mple.org:443",
            "*.example.org:443",
            "",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }
}
