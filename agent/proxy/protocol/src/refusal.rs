//! Why the proxy did not make a connection, as the agent records and tells it.

use std::fmt;

use cofferdam_plan::codec::{DecodeError, Reader, Writer};

/// Bytes of the words of a refusal.
pub(crate) const MAX_DETAIL: usize = 1000;

/// What kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// The request is not HTTP CONNECT, HTTP or SOCKS 5 as it must be.
    Malformed,
    /// A list does not allow the target.
    NotAllowed,
    /// The name resolves to an address that is not public and not named.
    Address,
    /// The name does not resolve.
    Unresolved,
    /// TLS is asked for and something else was spoken.
    NotTls,
    /// The TLS server name is missing or another.
    ServerName,
    /// The target does not answer.
    Unreachable,
    /// The request came too slowly.
    TimedOut,
}

impl RefusalKind {
    const ALL: [Self; 8] = [
        Self::Malformed,
        Self::NotAllowed,
        Self::Address,
        Self::Unresolved,
        Self::NotTls,
        Self::ServerName,
        Self::Unreachable,
        Self::TimedOut,
    ];

    /// One word for records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotAllowed => "not_allowed",
            Self::Address => "address",
            Self::Unresolved => "unresolved",
            Self::NotTls => "not_tls",
            Self::ServerName => "server_name",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
        }
    }

    /// Whether a setting refused, so that another grant would allow it; the
    /// others are failures.
    #[must_use]
    pub fn is_denial(self) -> bool {
        matches!(self, Self::NotAllowed | Self::Address | Self::NotTls | Self::ServerName)
    }
}

/// A refusal in words: what, which setting governs it, what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub kind: RefusalKind,
    /// Plain text of at most 1000 bytes.
    pub detail: String,
}

impl Refusal {
    /// A refusal whose words are made plain and cut to what an event carries.
    pub fn new(kind: RefusalKind, detail: impl AsRef<str>) -> Self {
        Self { kind, detail: plain(detail.as_ref(), MAX_DETAIL) }
    }

    pub(crate) fn encode(&self, w: &mut Writer) {
        let Self { kind, detail } = self;
        w.u8(*kind as u8);
        w.bytes(plain(detail, MAX_DETAIL).as_bytes());
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: r.one_of("refusal", &RefusalKind::ALL)?,
            detail: r.text("detail", MAX_DETAIL)?,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Text without control characters, cut to `limit` bytes.
pub(crate) fn plain(text: &str, limit: usize) -> String {
    let mut plain = String::new();
    for character in text.chars().filter(|c| !c.is_control()) {
        if plain.len() + character.len_utf8() > limit {
            break;
        }
        plain.push(character);
    }
    plain
}
