//! What all hosts of a gateway share: who the gateway is towards them, whom not to
//! believe any more, and which hosts their owners hold back.
//!
//! Each is read anew for every call and every connection, so that a change counts
//! from the next one on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use cofferdam_trust::{Identity, Peer, PeerName};

use super::held::Held;
use crate::holds::HeldBack;

/// What all hosts share.
#[derive(Debug)]
pub(super) struct Ground {
    identity: ArcSwap<Identity>,
    revoked: ArcSwap<Revoked>,
    holds: ArcSwap<BTreeMap<String, HeldBack>>,
}

/// Whom not to believe any more, whatever certificate they show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Revoked {
    /// Agents, by their URI names.
    pub(crate) names: BTreeSet<PeerName>,
    /// SHA-256 of certificates in DER.
    pub(crate) certificates: BTreeSet<[u8; 32]>,
}

impl Ground {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity: ArcSwap::from_pointee(identity),
            revoked: ArcSwap::default(),
            holds: ArcSwap::default(),
        }
    }

    /// Who the gateway is now.
    pub(super) fn identity(&self) -> Arc<Identity> {
        self.identity.load_full()
    }

    pub(super) fn set_identity(&self, identity: Identity) {
        self.identity.store(Arc::new(identity));
    }

    pub(super) fn revoked(&self) -> Arc<Revoked> {
        self.revoked.load_full()
    }

    pub(super) fn set_revoked(&self, revoked: Revoked) {
        self.revoked.store(Arc::new(revoked));
    }

    /// How `host` is held back.
    pub(super) fn held_back(&self, host: &str) -> HeldBack {
        self.holds.load().get(host).cloned().unwrap_or_default()
    }

    pub(super) fn set_holds(&self, holds: BTreeMap<String, HeldBack>) {
        self.holds.store(Arc::new(holds));
    }

    /// Why nothing whatsoever is sent to this agent.
    pub(super) fn shut_out(&self, agent: &PeerName) -> Option<Held> {
        let is_revoked = self.revoked.load().names.contains(agent);
        is_revoked.then(|| Held::Revoked { host: agent.name().to_owned() })
    }
}

impl Revoked {
    /// Whether this peer is believed with the certificate that it shows.
    pub(super) fn believes(&self, peer: &Peer) -> bool {
        !self.names.contains(&peer.name) && !self.certificates.contains(&peer.fingerprint)
    }
}
