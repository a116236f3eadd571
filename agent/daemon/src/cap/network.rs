//! What of the network a call may reach: grant and profile and ceiling, each of
//! which must allow a destination.

use cofferdam_ceiling as ceiling;
use cofferdam_profile::{Network, Profile};
use cofferdam_proto::intent::v1::Destinations;
use cofferdam_proxy_protocol::{AllowList, Destination, DestinationError};

/// Lists of a grant, and destinations of each.
const MAX_LISTS: usize = 16;
const MAX_DESTINATIONS: usize = 256;

/// What may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CappedNetwork {
    /// Loopback of the cell.
    None,
    /// What every one of these allows, through the proxy.
    Proxy(Vec<AllowList>),
    /// All that the host reaches.
    Host,
}

/// A grant's destinations that mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// One of them.
    #[error("the grant's destination `{text}`: {problem}")]
    Destination {
        /// As the gateway wrote it.
        text: String,
        /// Why.
        problem: DestinationError,
    },
    /// The host owner's file has one that means nothing.
    #[error("`network.proxy` of this host's ceiling: `{text}`: {problem}")]
    Ceiling {
        /// As it is written there.
        text: String,
        /// Why.
        problem: DestinationError,
    },
    /// Too many.
    #[error("the grant has {0} destinations or lists of them; at most {1} are taken")]
    TooMany(usize, usize),
}

/// A host's network is capped to the proxy by nothing: a grant that names
/// destinations and a profile without a proxy have nothing in common.
pub(super) fn cap(
    granted: &[Destinations],
    profile: &Profile,
    most: &ceiling::Network,
) -> Result<CappedNetwork, NetworkError> {
    let granted = lists(granted)?;
    match &profile.network {
        Network::Host if most.allow_host && granted.is_empty() => Ok(CappedNetwork::Host),
        Network::None | Network::Host => Ok(CappedNetwork::None),
        Network::Proxy(allowed) => {
            let most = ceiling_list(&most.proxy)?;
            if most.is_empty() {
                return Ok(CappedNetwork::None);
            }
            let list = |setting: String, allowed: &[Destination]| AllowList {
                setting,
                destinations: allowed.to_vec(),
            };
            let mut lists = vec![
                list("network.proxy of the host's ceiling".to_owned(), &most),
                list(format!("network.allow of profile {}", profile.name), allowed),
            ];
            let own =
                granted.iter().map(|granted| list("network of the grant".to_owned(), granted));
            lists.extend(own);
            Ok(CappedNetwork::Proxy(lists))
        }
    }
}

fn lists(granted: &[Destinations]) -> Result<Vec<Vec<Destination>>, NetworkError> {
    if granted.len() > MAX_LISTS {
        return Err(NetworkError::TooMany(granted.len(), MAX_LISTS));
    }
    let list = |list: &Destinations| {
        if list.allowed.len() > MAX_DESTINATIONS {
            return Err(NetworkError::TooMany(list.allowed.len(), MAX_DESTINATIONS));
        }
        let parse = |text: &String| {
            text.parse().map_err(|problem| NetworkError::Destination {
                text: text.chars().take(256).collect(),
                problem,
            })
        };
        list.allowed.iter().map(parse).collect()
    };
    granted.iter().map(list).collect()
}

fn ceiling_list(texts: &[String]) -> Result<Vec<Destination>, NetworkError> {
    let parse = |text: &String| {
        text.parse().map_err(|problem| NetworkError::Ceiling { text: text.clone(), problem })
    };
    texts.iter().map(parse).collect()
}

impl CappedNetwork {
    /// In the wire's words, for the journal.
    pub(super) fn on_wire(&self) -> Vec<Destinations> {
        let Self::Proxy(lists) = self else { return Vec::new() };
        let texts = |list: &AllowList| list.destinations.iter().map(ToString::to_string).collect();
        lists.iter().map(|list| Destinations { allowed: texts(list) }).collect()
    }
}
