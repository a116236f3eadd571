//! What is known of one run while it is under way.

use std::collections::HashMap;
use std::time::Instant;

use super::MAX_DOMAINS;
use crate::refusal::Tally;

/// A run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) pid: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) since: Instant,
    pub(super) tally: Tally,
    /// Records of domains that its programs made.
    pub(super) own: u64,
    /// Its processes, but the first, that were looked up.
    pub(super) processes: Vec<u32>,
    domains: HashMap<u64, Layer>,
}

/// One domain of a run.
#[derive(Debug)]
struct Layer {
    /// Made by PID 1 for the run, not by a program of it.
    ours: bool,
    /// Refusals that arrived.
    arrived: u64,
    /// Refusals in truth, once it is over.
    denials: Option<u64>,
}

impl Run {
    pub(super) fn new(pid: Option<u32>, uid: Option<u32>, since: Instant) -> Self {
        Self {
            pid,
            uid,
            since,
            tally: Tally::default(),
            own: 0,
            processes: Vec::new(),
            domains: HashMap::new(),
        }
    }

    /// Whether anything was told of it.
    pub(super) fn has_met(&self) -> bool {
        self.own > 0 || self.tally.total() > 0
    }

    /// Whether one more domain can be followed.
    pub(super) fn has_room(&self) -> bool {
        self.domains.len() < MAX_DOMAINS
    }

    pub(super) fn follow(&mut self, domain: u64, ours: bool) {
        self.domains.insert(domain, Layer { ours, arrived: 0, denials: None });
    }

    /// Counts refusals of a domain; whether they are ours.
    pub(super) fn arrived(&mut self, domain: u64, count: u64) -> bool {
        let Some(layer) = self.domains.get_mut(&domain) else { return false };
        layer.arrived = layer.arrived.saturating_add(count);
        if !layer.ours {
            self.own = self.own.saturating_add(count);
        }
        layer.ours
    }

    pub(super) fn ended(&mut self, domain: u64, denials: u64) {
        if let Some(layer) = self.domains.get_mut(&domain) {
            layer.denials = Some(denials);
        }
    }

    /// Refusals of our domains that are over, less what arrived of them.
    pub(super) fn lost(&self) -> u64 {
        let ours = self.domains.values().filter(|layer| layer.ours);
        let lost = ours.filter_map(|it| Some(it.denials?.saturating_sub(it.arrived)));
        lost.fold(0, u64::saturating_add)
    }

    /// What arrived of our domains that are not over.
    pub(super) fn open_arrived(&self) -> u64 {
        let open = self.domains.values().filter(|layer| layer.ours && layer.denials.is_none());
        open.fold(0, |sum, layer| sum.saturating_add(layer.arrived))
    }
}
