//! A peer's name: `spiffe://TRUST-DOMAIN/ROLE/NAME`.
//!
//! A name that exists is well formed: it is only made by [`PeerName::new`] or by
//! parsing, and both refuse whatever would print differently than it was read.
//! Two names are the same peer exactly when their text is the same.

use std::fmt;
use std::str::FromStr;

/// The trust domain of an installation that chooses none.
pub const DEFAULT_TRUST_DOMAIN: &str = "cofferdam";

const MAX_DOMAIN: usize = 253;
const MAX_NAME: usize = 63;

/// What a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The front service that sends intents.
    Gateway,
    /// The daemon on a host that carries them out.
    Agent,
    /// The service that certifies hosts and gateways.
    Authority,
}

impl Role {
    /// The role at the other end of a connection where both show certificates:
    /// agents talk with gateways only. An authority is talked to by those who have no
    /// certificate yet, or none any more.
    #[must_use]
    pub fn counterpart(self) -> Option<Self> {
        match self {
            Self::Gateway => Some(Self::Agent),
            Self::Agent => Some(Self::Gateway),
            Self::Authority => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::Agent => "agent",
            Self::Authority => "authority",
        })
    }
}

/// The name of a gateway, an agent or an authority.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName {
    trust_domain: String,
    role: Role,
    name: String,
}

/// Why a text is not a peer's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not of the form `spiffe://TRUST-DOMAIN/ROLE/NAME`.
    #[error(
        "`{0}` is not a peer's name; write spiffe://TRUST-DOMAIN/gateway/NAME or spiffe://TRUST-DOMAIN/agent/NAME"
    )]
    Form(String),
    /// The role is none of ours.
    #[error("`{0}` is not a role; it is gateway, agent or authority")]
    Role(String),
    /// The trust domain has other characters than it may, or is too long.
    #[error(
        "the trust domain `{0}` must be 1 to 253 characters of a-z, 0-9, dot, hyphen and underscore, beginning with a letter or digit"
    )]
    TrustDomain(String),
    /// The last part has other characters than it may, or is too long.
    #[error(
        "the name `{0}` must be 1 to 63 characters of a-z, A-Z, 0-9, dot, hyphen and underscore, beginning with a letter or digit"
    )]
    Name(String),
}

impl PeerName {
    /// Makes a name from its parts.
    pub fn new(trust_domain: &str, role: Role, name: &str) -> Result<Self, NameError> {
        let in_domain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !is_label(trust_domain, MAX_DOMAIN, in_domain) {
            return Err(NameError::TrustDomain(trust_domain.to_owned()));
        }
        if !is_label(name, MAX_NAME, |byte| byte.is_ascii_alphanumeric()) {
            return Err(NameError::Name(name.to_owned()));
        }
        Ok(Self { trust_domain: trust_domain.to_owned(), role, name: name.to_owned() })
    }

    /// The trust domain, such as `cofferdam`.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// What the peer is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The last part: the gateway's or the host's own name. Safe as a file name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A first character of `letters`, then those or one of `.-_`.
fn is_label(text: &str, longest: usize, letters: impl Fn(u8) -> bool) -> bool {
    let [first, rest @ ..] = text.as_bytes() else { return false };
    text.len() <= longest
        && letters(*first)
        && rest.iter().all(|&byte| letters(byte) || b".-_".contains(&byte))
}

impl FromStr for PeerName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let form = || NameError::Form(text.to_owned());
        let path = text.strip_prefix("spiffe://").ok_or_else(form)?;
        let (trust_domain, path) = path.split_once('/').ok_or_else(form)?;
        let (role, name) = path.split_once('/').ok_or_else(form)?;
        let role = match role {
            "gateway" => Role::Gateway,
            "agent" => Role::Agent,
            "authority" => Role::Authority,
            other => return Err(NameError::Role(other.to_owned())),
        };
        Self::new(trust_domain, role, name)
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}/{}", self.trust_domain, self.role, self.name)
    }
}

impl serde::Serialize for PeerName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PeerName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_prints_as_it_was_read() {
        for text in ["spiffe://cofferdam/gateway/main", "spiffe://corp.example/agent/Web-1.eu_2"] {
            assert_eq!(text.parse::<PeerName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for text in [
            "",
            "cofferdam",
            "https://cofferdam/agent/a",
            "SPIFFE://cofferdam/agent/a",
            "spiffe://cofferdam/agent",
            "spiffe://cofferdam/agent/",
            "spiffe://cofferdam/agent/a/b",
            "spiffe://cofferdam/agent/..",
            "spiffe://cofferdam/agent/-a",
            "spiffe://cofferdam/agent/a b",
            "spiffe://cofferdam/agent/a%2fb",
            "spiffe://cofferdam/agent/é",
            "spiffe://cofferdam/agent/a?x",
            "spiffe://cofferdam//a",
            "spiffe:///agent/a",
            "spiffe://Cofferdam/agent/a",
            "spiffe://user@cofferdam/agent/a",
            "spiffe://cofferdam:1/agent/a",
            "spiffe://cofferdam/warden/a",
            "spiffe://cofferdam/Agent/a",
        ] {
            assert!(text.parse::<PeerName>().is_err(), "{text}");
        }
        let long = "a".repeat(64);
        assert!(PeerName::new("cofferdam", Role::Agent, &long).is_err());
    }
}
