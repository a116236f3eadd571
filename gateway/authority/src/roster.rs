//! What of the authority's state the gateway has to know now: who joined, who counts
//! for nothing, and the trust list that hosts are given.
//!
//! A roster is a value that nobody changes; another one takes its place.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_proto::join::v1::SignedTrustList;
use cofferdam_trust::{Lapse, Peer, PeerName, VerifyingKey};

use crate::host::Project;

/// The state of things at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roster {
    /// The hosts that joined and were not revoked, by name.
    pub hosts: BTreeMap<String, JoinedHost>,
    /// Hosts and gateways that count for nothing.
    pub revoked_names: BTreeSet<PeerName>,
    /// SHA-256 of certificates that count for nothing.
    pub revoked_certificates: BTreeSet<[u8; 32]>,
    /// The version of the trust list.
    pub version: u64,
    /// The trust list, as hosts are given it.
    pub trust: SignedTrustList,
    /// When that list ends.
    pub trust_lapse: Option<Lapse>,
    /// When the authority's newest certificate ends.
    pub generations: Vec<GenerationLapse>,
}

/// When a generation of the authority's certificate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerationLapse {
    /// Which, from 1.
    pub generation: u32,
    /// The certificate that certifies, of an intermediate or a root.
    pub certificate: Lapse,
    /// The root behind it.
    pub root: Lapse,
}

/// A host that joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedHost {
    /// The URI name that its certificate carries.
    pub agent: PeerName,
    /// The key that its receipts are signed with.
    pub key: VerifyingKey,
    /// Where it is reached; none: it dials out.
    pub address: Option<String>,
    /// What rules may select it by.
    pub labels: BTreeMap<String, String>,
    /// What it is for.
    pub projects: Vec<Project>,
    /// When its certificate ends, in seconds since 1970.
    pub certificate_ends_at: u64,
    /// Certificates that it gets still after its last one lapsed.
    pub reattestations_left: u32,
    /// Why nothing more is certified for it.
    pub alarm: Option<String>,
}

impl Roster {
    /// Whether this peer counts for nothing.
    #[must_use]
    pub fn revokes(&self, peer: &Peer) -> bool {
        self.revoked_names.contains(&peer.name)
            || self.revoked_certificates.contains(&peer.fingerprint)
    }
}
