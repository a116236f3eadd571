//! Ports of a destination: one, or a range.

use std::fmt;
use std::str::FromStr;

/// Ports from `first` to `last`, both included; never 0, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
}

/// Why a text is not ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortsError {
    /// Not a number from 1 to 65535.
    #[error("{0:?} is no port; write a number from 1 to 65535, or a range such as `8000-8100`")]
    Number(String),
    /// The range ends before it begins.
    #[error("the port range {first}-{last} is empty; write the lower port first")]
    Empty {
        /// As written.
        first: u16,
        /// As written.
        last: u16,
    },
}

impl Ports {
    /// Whether `port` is one of them.
    #[must_use]
    pub fn contain(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether all of `other` are among them.
    #[must_use]
    pub fn cover(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether they are `port` and no other.
    #[must_use]
    pub fn are_just(self, port: u16) -> bool {
        (self.first, self.last) == (port, port)
    }
}

/// One port in its one spelling: no sign, no leading zero, not 0.
pub(crate) fn port(text: &str) -> Result<u16, PortsError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    match text.parse() {
        Ok(port) if plain => Ok(port),
        _ => Err(PortsError::Number(text.chars().take(20).collect())),
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(text)?, port(text)?),
        };
        if first > last {
            return Err(PortsError::Empty { first, last });
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last } => write!(f, "{first}-{last}"),
        }
    }
}
