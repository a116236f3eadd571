//! How much all spools of a host may hold together.
//!
//! While half of the room is free, each holds its own capacity. Beyond, who writes
//! holds no more than an equal share of the other half, so that a run that prints
//! much takes nothing from those beside it. All together never hold more than the
//! room, but for the little that each may hold in any case.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a stream may hold however many others there are, in bytes.
const LEAST: usize = 16 * 1024;
/// What a pipe or a terminal holds when its run has ended, in bytes, at most.
const LEFT: usize = 64 * 1024;

/// The room of all spools.
#[derive(Debug)]
pub struct Room {
    most: usize,
    held: AtomicUsize,
    spools: AtomicUsize,
}

/// What one spool takes of it; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    room: Arc<Room>,
    held: usize,
    /// What each stream may hold beyond its capacity.
    beyond: usize,
}

impl Room {
    /// Room for about `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: AtomicUsize::new(0), spools: AtomicUsize::new(0) })
    }

    /// Bytes of memory that all spools take now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn part(self: &Arc<Self>) -> Part {
        self.spools.fetch_add(1, Ordering::Relaxed);
        Part { room: Arc::clone(self), held: 0, beyond: 0 }
    }
}

impl Part {
    /// Bytes that each of the spool's two streams may hold now, of `capacity`.
    pub(super) fn of_stream(&self, capacity: usize) -> usize {
        self.of_capacity(capacity).saturating_add(self.beyond)
    }

    /// Lets each stream hold what is left in its pipe, too.
    pub(super) fn widen(&mut self) {
        self.beyond = LEFT;
    }

    fn of_capacity(&self, capacity: usize) -> usize {
        let Room { most, held, spools } = &*self.room;
        if held.load(Ordering::Relaxed) < *most / 2 {
            return capacity;
        }
        let share = most / 2 / spools.load(Ordering::Relaxed).max(1) / 2;
        share.max(LEAST).min(capacity)
    }

    /// Takes note of what the spool holds.
    pub(super) fn note(&mut self, held: usize) {
        let total = &self.room.held;
        if held >= self.held {
            total.fetch_add(held - self.held, Ordering::Relaxed);
        } else {
            total.fetch_sub(self.held - held, Ordering::Relaxed);
        }
        self.held = held;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.note(0);
        self.room.spools.fetch_sub(1, Ordering::Relaxed);
    }
}
