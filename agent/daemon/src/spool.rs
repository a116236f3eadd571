//! Holds a run's output between the pipe and its readers, within bounds, in
//! memory only.
//!
//! While somebody reads, a full spool waits for the reader that is furthest:
//! the pipe fills and the run is held up, so that one who reads alone loses
//! nothing, and who is slower than another holds up nobody. While nobody reads,
//! the oldest bytes are dropped. Who comes to bytes that are gone is told of the
//! gap: every reader sees each byte from its offset on exactly once or in a gap.
//! Whoever reads piece by piece has their place held for a moment in between.
//! What readers have seen is kept as long as there is room, for those who attach
//! later.

pub mod digest;
mod kept;
mod place;
mod reader;
mod room;
mod tail;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use tokio::sync::watch;

pub use place::HELD;
pub use reader::Reader;
pub use room::Room;

use place::Place;
use room::Part;
use tail::Tail;

/// An offset that no stream gets to: who reads from here on skips the stream,
/// and waits for the end only.
pub const SKIP: u64 = u64::MAX;

/// Bytes handed to a reader at once, at most.
const PIECE: usize = 256 * 1024;

/// An output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout = 0,
    /// Standard error.
    Stderr = 1,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes.
    Output {
        /// Of which stream.
        stream: Stream,
        /// Where they start.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// Bytes that were produced and not kept.
    Gap {
        /// Of which stream.
        stream: Stream,
        /// Where they started.
        offset: u64,
        /// How many.
        length: u64,
    },
}

/// The run wrote more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} bytes of output")]
pub struct LimitHit {
    /// The limit in bytes.
    pub limit: u64,
}

/// The output of one run.
#[derive(Debug)]
pub struct Spool {
    state: Mutex<State>,
    /// Told whenever something changed, for readers and for the writer.
    changed: watch::Sender<()>,
    /// Told when a reader comes or goes, which is seldom.
    audience: watch::Sender<()>,
    capacity: usize,
    limit: u64,
}

#[derive(Debug)]
struct State {
    tails: [Tail; 2],
    part: Part,
    readers: BTreeMap<u64, [u64; 2]>,
    /// Where readers began who come back for what they do not take.
    begun: BTreeMap<u64, [u64; 2]>,
    next_reader: u64,
    place: Option<Place>,
    total: u64,
    hit_limit: bool,
    closed: bool,
}

impl Spool {
    /// Holds `capacity` bytes of each stream, and takes `limit` in all.
    #[must_use]
    pub fn new(capacity: usize, limit: u64) -> Self {
        Self::within(&Room::new(usize::MAX), capacity, limit)
    }

    /// Holds `capacity` bytes of each stream where `room` has as much, and takes
    /// `limit` in all.
    #[must_use]
    pub fn within(room: &Arc<Room>, capacity: usize, limit: u64) -> Self {
        let state = State {
            tails: [Tail::new(), Tail::new()],
            part: room.part(),
            readers: BTreeMap::new(),
            begun: BTreeMap::new(),
            next_reader: 0,
            place: None,
            total: 0,
            hit_limit: false,
            closed: false,
        };
        let (changed, audience) = (watch::Sender::new(()), watch::Sender::new(()));
        Self { state: Mutex::new(state), changed, audience, capacity, limit }
    }

    /// Takes bytes of a stream; waits while every reader must catch up.
    ///
    /// # Errors
    /// Where the limit is hit; what fits below it was taken.
    pub async fn push(&self, stream: Stream, mut bytes: &[u8]) -> Result<(), LimitHit> {
        while !bytes.is_empty() {
            self.wait_for(&self.changed, |state| state.room(stream, self.capacity) > 0).await;
            let taken = self.push_some(stream, bytes)?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Waits until bytes of a stream can be taken.
    pub async fn ready(&self, stream: Stream) {
        self.wait_for(&self.changed, |state| state.room(stream, self.capacity) > 0).await;
    }

    /// Takes what it can now of a stream's bytes, and says how many that were.
    ///
    /// # Errors
    /// Where the limit is hit.
    pub fn push_some(&self, stream: Stream, bytes: &[u8]) -> Result<usize, LimitHit> {
        let mut state = self.lock();
        let left = usize::try_from(self.limit - state.total).unwrap_or(usize::MAX);
        if left == 0 && !bytes.is_empty() {
            state.hit_limit = true;
            return Err(LimitHit { limit: self.limit });
        }
        let taken = bytes.len().min(left).min(state.room(stream, self.capacity));
        let capacity = state.part.of_stream(self.capacity);
        state.tails[stream as usize].push(&bytes[..taken], capacity);
        state.total += taken as u64;
        state.note_held();
        drop(state);
        if taken > 0 {
            self.changed.send_replace(());
        }
        Ok(taken)
    }

    /// No more bytes will come.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.tails.iter_mut().for_each(Tail::shrink);
        state.note_held();
        drop(state);
        self.changed.send_replace(());
    }

    /// Waits until nobody reads.
    pub async fn abandoned(&self) {
        self.wait_for(&self.audience, |state| state.readers.is_empty()).await;
    }

    /// Waits until somebody reads.
    pub async fn attended(&self) {
        self.wait_for(&self.audience, |state| !state.readers.is_empty()).await;
    }

    async fn wait_for(&self, told: &watch::Sender<()>, condition: impl Fn(&State) -> bool) {
        let mut changed = told.subscribe();
        while !condition(&self.lock()) {
            drop(changed.changed().await);
        }
    }

    /// Whether more was written than was taken.
    #[must_use]
    pub fn has_hit_limit(&self) -> bool {
        self.lock().hit_limit
    }

    /// Whether readers hold the writer up.
    #[cfg(test)]
    pub(crate) fn is_held_up(&self) -> bool {
        let state = self.lock();
        [Stream::Stdout, Stream::Stderr].iter().any(|it| state.room(*it, self.capacity) == 0)
    }

    /// Gives back all that is held; who comes later is told of a gap.
    pub fn forget(&self) {
        let mut state = self.lock();
        state.tails.iter_mut().for_each(|tail| tail.trim(0));
        state.note_held();
        drop(state);
        self.changed.send_replace(());
    }

    /// Bytes of standard output and error so far.
    #[must_use]
    pub fn lengths(&self) -> [u64; 2] {
        let state = self.lock();
        [state.tails[0].end(), state.tails[1].end()]
    }

    /// Where what is held of standard output and error begins and ends.
    #[must_use]
    pub fn held_offsets(&self) -> [(u64, u64); 2] {
        let state = self.lock();
        [0, 1].map(|stream| (state.tails[stream].start(), state.tails[stream].end()))
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        let state = self.lock();
        state.tails[0].held() + state.tails[1].held()
    }

    /// The digest of all output: SHA-256 over the SHA-256 of standard output
    /// and the SHA-256 of standard error, so that neither has to be held.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let state = self.lock();
        let mut both = Context::new(&SHA256);
        both.update(&state.tails[0].digest());
        both.update(&state.tails[1].digest());
        let mut out = [0; 32];
        out.copy_from_slice(both.finish().as_ref());
        out
    }

    /// All that is held of a stream, for the agent's own use.
    #[must_use]
    pub fn contents(&self, stream: Stream) -> Vec<u8> {
        self.lock().tails[stream as usize].copy(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Bytes that a stream takes before its furthest reader has to read on.
    fn room(&self, stream: Stream, capacity: usize) -> usize {
        let held = self.place.as_ref().and_then(Place::held);
        let readers = self.readers.iter().map(|(id, at)| *self.begun.get(id).unwrap_or(at));
        let at = readers.chain(held).map(|at| at[stream as usize]);
        match at.filter(|at| *at != SKIP).max() {
            None => usize::MAX,
            Some(at) => {
                let unread = self.tails[stream as usize].from(at);
                self.part.of_stream(capacity).saturating_sub(unread)
            }
        }
    }

    fn note_held(&mut self) {
        let held = self.tails.iter().map(Tail::held).sum();
        self.part.note(held);
    }
}

#[cfg(test)]
mod tests;
