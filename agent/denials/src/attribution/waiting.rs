//! Records whose run is not known yet.
//!
//! Invariant: at most [`MAX_WAITING`] domains and as many calls, each for at
//! most [`WAIT`]; whoever is dropped is counted by the caller.

use std::collections::VecDeque;
use std::time::Instant;

use super::{MAX_WAITING, WAIT};
use crate::record::Seccomp;
use crate::refusal::{Refused, Tally};

/// Different refusals kept of a domain that waits.
const MAX_REFUSALS: usize = 8;

/// Who made a domain.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) pid: u32,
    pub(super) uid: u32,
    pub(super) exe: Vec<u8>,
}

/// A domain whose run is not known.
#[derive(Debug)]
pub(super) struct Orphan {
    domain: u64,
    since: Instant,
    pub(super) maker: Option<Maker>,
    pub(super) tally: Tally,
    /// Its refusals in truth, if it is over.
    pub(super) denials: Option<u64>,
}

#[derive(Debug)]
struct Caller {
    since: Instant,
    call: Seccomp,
    count: u64,
}

/// Both, oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    domains: VecDeque<Orphan>,
    calls: VecDeque<Caller>,
}

impl Waiting {
    /// Drops what has waited too long; how many records.
    pub(super) fn expire(&mut self, now: Instant) -> u64 {
        let old = |since: Instant| now.saturating_duration_since(since) > WAIT;
        let mut dropped = 0_u64;
        while let Some(orphan) = self.domains.pop_front_if(|it| old(it.since)) {
            dropped = dropped.saturating_add(orphan.tally.total());
        }
        while let Some(call) = self.calls.pop_front_if(|it| old(it.since)) {
            dropped = dropped.saturating_add(call.count);
        }
        dropped
    }

    /// A refusal of a domain; how many records were dropped for it.
    pub(super) fn refused(&mut self, domain: u64, what: Refused, now: Instant) -> u64 {
        let (orphan, dropped) = self.orphan(domain, now);
        if let Some(orphan) = orphan {
            orphan.tally.add(what, 1, MAX_REFUSALS);
        }
        dropped
    }

    /// A domain's maker; how many records were dropped for it.
    pub(super) fn made(&mut self, domain: u64, maker: Maker, now: Instant) -> u64 {
        let (orphan, dropped) = self.orphan(domain, now);
        if let Some(orphan) = orphan {
            orphan.maker = Some(maker);
        }
        dropped
    }

    /// A domain is over.
    pub(super) fn gone(&mut self, domain: u64, denials: u64) {
        if let Some(orphan) = self.domains.iter_mut().find(|it| it.domain == domain) {
            orphan.denials = Some(denials);
        }
    }

    /// A call; how many records were dropped for it.
    pub(super) fn called(&mut self, call: Seccomp, now: Instant) -> u64 {
        let same = |it: &&mut Caller| {
            let (a, b) = (&it.call, &call);
            (a.pid, a.uid, a.syscall, a.architecture) == (b.pid, b.uid, b.syscall, b.architecture)
        };
        if let Some(known) = self.calls.iter_mut().find(same) {
            known.count = known.count.saturating_add(1);
            return 0;
        }
        self.calls.push_back(Caller { since: now, call, count: 1 });
        let over = self.calls.len() > MAX_WAITING;
        if over { self.calls.pop_front().map_or(0, |call| call.count) } else { 0 }
    }

    /// Domains that this process made.
    pub(super) fn domains_made_by(&self, pid: u32, uid: Option<u32>) -> Vec<u64> {
        let its = |maker: &Maker| maker.pid == pid && uid.is_none_or(|uid| maker.uid == uid);
        let found = self.domains.iter().filter(|it| it.maker.as_ref().is_some_and(its));
        found.map(|orphan| orphan.domain).collect()
    }

    /// Domains that this user made at that time or later.
    pub(super) fn domains_made_since(&self, since: Instant, uid: u32) -> Vec<u64> {
        let its = |it: &&Orphan| {
            it.since >= since && it.maker.as_ref().is_some_and(|maker| maker.uid == uid)
        };
        self.domains.iter().filter(its).map(|orphan| orphan.domain).collect()
    }

    /// Whether calls of this user came at that time or later.
    pub(super) fn has_calls_since(&self, since: Instant, uid: u32) -> bool {
        self.calls.iter().any(|it| it.since >= since && it.call.uid == uid)
    }

    /// Takes the calls of this user that came at that time or later.
    pub(super) fn calls_since(&mut self, since: Instant, uid: u32) -> Vec<(Seccomp, u64)> {
        self.take_calls(|it| it.since >= since && it.call.uid == uid)
    }

    /// Takes the calls of this process.
    pub(super) fn calls_of(&mut self, pid: u32, uid: Option<u32>) -> Vec<(Seccomp, u64)> {
        let its = |call: &Seccomp| call.pid == pid && uid.is_none_or(|uid| call.uid == uid);
        self.take_calls(|it| its(&it.call))
    }

    fn take_calls(&mut self, its: impl Fn(&Caller) -> bool) -> Vec<(Seccomp, u64)> {
        let (taken, left) = std::mem::take(&mut self.calls).into_iter().partition(its);
        self.calls = left;
        let taken: VecDeque<Caller> = taken;
        taken.into_iter().map(|call| (call.call, call.count)).collect()
    }

    /// Takes a domain out.
    pub(super) fn take(&mut self, domain: u64) -> Option<Orphan> {
        let at = self.domains.iter().position(|it| it.domain == domain)?;
        self.domains.remove(at)
    }

    /// The domain's place, made where there is none; and how many records the
    /// oldest had that made room.
    fn orphan(&mut self, domain: u64, now: Instant) -> (Option<&mut Orphan>, u64) {
        let mut dropped = 0;
        if !self.domains.iter().any(|it| it.domain == domain) {
            let orphan =
                Orphan { domain, since: now, maker: None, tally: Tally::default(), denials: None };
            self.domains.push_back(orphan);
            if self.domains.len() > MAX_WAITING {
                dropped = self.domains.pop_front().map_or(0, |oldest| oldest.tally.total());
            }
        }
        // Floods come of the newest.
        (self.domains.iter_mut().rev().find(|it| it.domain == domain), dropped)
    }
}
