//! `[peers]`: which gateways may call this host, by the name in their certificate.
//!
//! `gateways` names them one by one. With `enrolled = true` those may call, too,
//! that the authority names which this host enrolled with; the host's owner decides
//! by this switch alone whether that word counts. Root skips the table: it sees no
//! certificate.

use cofferdam_trust::PeerName;
use serde::Deserialize;

/// Which gateways may call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peers {
    /// By their names.
    pub gateways: Vec<String>,
    /// Those that the authority names which this host enrolled with.
    pub enrolled: bool,
}

impl Peers {
    /// Whether nobody could ever call.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.gateways.is_empty() && !self.enrolled
    }

    /// Whether the owner lets `gateway` call; `known`: the authority names it.
    #[must_use]
    pub fn allows(&self, gateway: &PeerName, known: bool) -> bool {
        let name = gateway.to_string();
        self.enrolled && known || self.gateways.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_named_or_known_to_the_authority_where_the_owner_lets_that_count() {
        let peers = |text| toml::from_str::<Peers>(text).unwrap();
        let main: PeerName = "spiffe://cofferdam/gateway/main".parse().unwrap();
        let named = peers("gateways = ['spiffe://cofferdam/gateway/main']");
        assert!(named.allows(&main, false) && !named.is_nobody());
        let enrolled = peers("enrolled = true");
        assert!(enrolled.allows(&main, true) && !enrolled.allows(&main, false));
        let nobody = peers("");
        assert!(!nobody.allows(&main, true) && nobody.is_nobody());
        assert!(toml::from_str::<Peers>("enroled = true").is_err());
    }
}
