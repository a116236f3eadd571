//! What the authority was asked and how it does, counted since it was opened: for its
//! owner's metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was counted until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hosts that showed a join token.
    pub enrolments: Answers,
    /// Hosts that asked for their next certificate.
    pub renewals: Answers,
    /// Hosts that wanted to hear of trust lists.
    pub watches: Answers,
    /// Times that the authority could not look after itself.
    pub failures: u64,
    /// Those of them in which the gateway's own certificate was due and not renewed.
    pub not_renewed: u64,
}

/// How requests of one kind were met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// With what was asked for; to wait for the owner is an answer, too.
    pub answered: u64,
    /// With a refusal.
    pub refused: u64,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) enrolments: Counter,
    pub(crate) renewals: Counter,
    pub(crate) watches: Counter,
    failures: AtomicU64,
    not_renewed: AtomicU64,
}

/// Counts requests of one kind.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    answered: AtomicU64,
    refused: AtomicU64,
}

impl Counter {
    /// Counts how one was met, and passes that on.
    pub(crate) fn count<T, E>(&self, met: Result<T, E>) -> Result<T, E> {
        let of = if met.is_ok() { &self.answered } else { &self.refused };
        of.fetch_add(1, Ordering::Relaxed);
        met
    }

    fn now(&self) -> Answers {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Answers { answered: of(&self.answered), refused: of(&self.refused) }
    }
}

impl Counters {
    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn not_renewed(&self) {
        self.not_renewed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Counts {
        Counts {
            enrolments: self.enrolments.now(),
            renewals: self.renewals.now(),
            watches: self.watches.now(),
            failures: self.failures.load(Ordering::Relaxed),
            not_renewed: self.not_renewed.load(Ordering::Relaxed),
        }
    }
}
