//! What of the network a cell can reach.

use cofferdam_proxy_protocol::Destination;

/// What of the network a cell can reach, from narrow to wide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Its own loopback only.
    None,
    /// These, through the proxy; never empty.
    Proxy(Vec<Destination>),
    /// All that the host reaches, and the host's own services.
    Host,
}

impl Network {
    /// Whether everything that `self` reaches is within `other`'s reach.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, _) | (_, Self::Host) => true,
            (Self::Proxy(own), Self::Proxy(others)) => {
                own.iter().all(|one| others.iter().any(|other| other.covers(one)))
            }
            (Self::Proxy(_), Self::None) | (Self::Host, Self::None | Self::Proxy(_)) => false,
        }
    }

    /// The word that a file writes.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Proxy(_) => "proxy",
            Self::Host => "host",
        }
    }

    /// What the proxy lets through; empty without one.
    #[must_use]
    pub fn destinations(&self) -> &[Destination] {
        match self {
            Self::Proxy(destinations) => destinations,
            Self::None | Self::Host => &[],
        }
    }
}
