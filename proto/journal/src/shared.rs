//! What appenders and the writer thread share: the end of the chain and the
//! lines that wait to be written.
//!
//! Appending fixes a record's sequence, time and hash under the lock and leaves
//! the disk to the writer thread. Once the journal failed it takes nothing
//! more: what was promised can no longer be kept.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cofferdam_trust::{Purpose, SigningKey, VerifyingKey};
use tokio::sync::watch;

use crate::chain::{checkpoint_text, key_change_text};
use crate::digest::Digest;
use crate::entry::{Body, Checkpoint, KeyChange};
use crate::head::Head;
use crate::measures::SyncTimes;
use crate::record::{MAX_RECORD, body_text, seal};

/// Why the journal takes no entry, or did not keep one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The journal could not be written.
    #[error(
        "the journal cannot be written ({0}); nothing new starts until the disk is repaired or freed and the service is restarted"
    )]
    Failed(Arc<str>),
    /// The journal was closed.
    #[error("the journal is closed: the service is stopping")]
    Closed,
    /// The record would be too long.
    #[error("a record of {0} bytes; at most {MAX_RECORD} are taken: shorten the request")]
    TooLong(usize),
    /// The body has no canonical form.
    #[error("the record cannot be written: {0}")]
    Unwritable(String),
}

/// How far the writer thread is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The last record that was written.
    pub(crate) written: u64,
    /// The last record that is durable.
    pub(crate) durable: u64,
    /// How often the disk was made to keep it, and how long that took.
    pub(crate) syncs: SyncTimes,
    /// Why nothing more will come.
    pub(crate) failed: Option<AppendError>,
}

/// How long a record that nobody waits for may be written without the disk having
/// been made to keep it. Records promise to be durable within 50 ms: that leaves 30
/// for the fdatasync(2) that may be under way and the one that follows.
const LATEST: Duration = Duration::from_millis(20);

/// Whether somebody waits until the disk has a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hurry {
    /// The disk is made to keep it at once.
    AtOnce,
    /// Within [`LATEST`], or as soon as somebody waits: many share one wait for the
    /// disk.
    InTime,
}

/// What the writer has written and the disk need not have yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unsynced {
    /// Since when the oldest of it is written.
    pub(crate) since: Instant,
    /// The last record that is durable.
    pub(crate) durable: u64,
}

/// What the writer does next.
#[derive(Debug)]
pub(crate) enum Work {
    Write(VecDeque<Line>),
    Sync,
}

/// A line on its way to the disk.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) sequence: u64,
    pub(crate) text: String,
    /// The head to write once this line is durable.
    pub(crate) head: Option<Head>,
}

#[derive(Debug)]
struct State {
    next: u64,
    last: Digest,
    owner: String,
    key: Arc<SigningKey>,
    since_checkpoint: u64,
    queue: VecDeque<Line>,
    /// The last record that somebody waits for the disk to have.
    hurried: u64,
    closing: bool,
    failed: Option<AppendError>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    progress: watch::Sender<Progress>,
    checkpoint_records: u64,
    checkpoint_idle: Duration,
}

impl Shared {
    pub(crate) fn new(
        owner: String,
        key: SigningKey,
        (next, last): (u64, Digest),
        (checkpoint_records, checkpoint_idle): (u64, Duration),
    ) -> Self {
        let key = Arc::new(key);
        let queue = VecDeque::new();
        let state = State {
            next,
            last,
            owner,
            key,
            since_checkpoint: 0,
            queue,
            hurried: 0,
            closing: false,
            failed: None,
        };
        let written = next - 1;
        let progress = Progress { written, durable: written, ..Progress::default() };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            progress: watch::Sender::new(progress),
            checkpoint_records: checkpoint_records.max(1),
            checkpoint_idle,
        }
    }

    /// Fixes the record and leaves it to the writer.
    pub(crate) fn append(&self, body: &Body, hurry: Hurry) -> Result<(u64, Digest), AppendError> {
        let text = body_text(body).map_err(|fault| AppendError::Unwritable(fault.to_string()))?;
        if text.len() + 512 > MAX_RECORD {
            return Err(AppendError::TooLong(text.len()));
        }
        let mut state = self.lock();
        state.admit()?;
        let place = state.push(body.kind(), &text);
        if hurry == Hurry::AtOnce {
            state.hurried = place.0;
        }
        if state.since_checkpoint >= self.checkpoint_records {
            state.push_checkpoint();
        }
        drop(state);
        self.work.notify_one();
        Ok(place)
    }

    /// Signs everything so far.
    pub(crate) fn checkpoint(&self) -> Result<u64, AppendError> {
        let mut state = self.lock();
        state.admit()?;
        state.push_checkpoint();
        let sequence = state.next - 1;
        state.hurried = sequence;
        drop(state);
        self.work.notify_one();
        Ok(sequence)
    }

    /// Has the disk keep the record `sequence`, because somebody waits for that.
    pub(crate) fn hurry(&self, sequence: u64) {
        let mut state = self.lock();
        let more = state.hurried < sequence;
        state.hurried = state.hurried.max(sequence);
        drop(state);
        if more {
            self.work.notify_one();
        }
    }

    /// Signs with `new` from here on; the old key signs that it may.
    pub(crate) fn change_key(&self, new: SigningKey) -> Result<(u64, Digest), AppendError> {
        let mut state = self.lock();
        state.admit()?;
        let body = state.key_change(new.public_key());
        let text = body_text(&body).map_err(|fault| AppendError::Unwritable(fault.to_string()))?;
        let place = state.push(body.kind(), &text);
        state.key = Arc::new(new);
        state.push_checkpoint();
        state.hurried = state.next - 1;
        drop(state);
        self.work.notify_one();
        Ok(place)
    }

    /// Takes no more entries; the writer ends after a last checkpoint.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if !state.closing && state.failed.is_none() && state.since_checkpoint > 0 {
            state.push_checkpoint();
        }
        state.closing = true;
        drop(state);
        self.work.notify_one();
    }

    /// Waits for something to do; none when the journal was closed and all is on disk.
    /// An idle journal with records since its last checkpoint gets one.
    pub(crate) fn next(&self, unsynced: Option<Unsynced>) -> Option<Work> {
        let mut state = self.lock();
        while state.queue.is_empty() {
            if unsynced.is_some_and(|unsynced| state.is_due(unsynced)) {
                return Some(Work::Sync);
            }
            if state.closing {
                return None;
            }
            let patience = match unsynced {
                Some(unsynced) => LATEST.saturating_sub(unsynced.since.elapsed()),
                None if state.since_checkpoint > 0 => self.checkpoint_idle,
                None => {
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            };
            let waited = self.work.wait_timeout(state, patience);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            let idle = timeout.timed_out() && unsynced.is_none();
            if idle && state.queue.is_empty() && state.failed.is_none() {
                state.push_checkpoint();
            }
        }
        Some(Work::Write(std::mem::take(&mut state.queue)))
    }

    /// Whether the disk is to be made to keep what was written.
    pub(crate) fn is_due(&self, unsynced: Unsynced) -> bool {
        self.lock().is_due(unsynced)
    }

    /// Tells everybody who waits how far the writer is.
    pub(crate) fn report(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    /// The journal cannot be written: nobody waits in vain, nothing is taken.
    pub(crate) fn fail(&self, reason: &str) {
        let error = AppendError::Failed(reason.into());
        let mut state = self.lock();
        state.failed = Some(error.clone());
        state.queue.clear();
        drop(state);
        self.report(|progress| progress.failed = Some(error));
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_due(&self, Unsynced { since, durable }: Unsynced) -> bool {
        self.hurried > durable || self.closing || since.elapsed() >= LATEST
    }

    fn admit(&self) -> Result<(), AppendError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.closing => Err(AppendError::Closed),
            None => Ok(()),
        }
    }

    fn push(&mut self, kind: &str, body: &str) -> (u64, Digest) {
        let time = format!("{:.6}", jiff::Timestamp::now());
        let sequence = self.next;
        let sealed = seal(kind, body, sequence, &time, self.last);
        self.queue.push_back(Line { sequence, text: sealed.line, head: None });
        self.next += 1;
        self.last = sealed.hash;
        self.since_checkpoint += 1;
        (sequence, sealed.hash)
    }

    fn push_checkpoint(&mut self) {
        let (sequence, hash) = (self.next - 1, self.last);
        let text = checkpoint_text(&self.owner, sequence, hash);
        let signature = self.key.sign(Purpose::Checkpoint, &text).to_vec();
        let key_id = self.key.key_id();
        let body = Body::Checkpoint(Checkpoint { sequence, hash, key_id, signature });
        // A checkpoint holds digests and integers only, so it has a text.
        let Ok(text) = body_text(&body) else { return };
        let (sequence, hash) = self.push(body.kind(), &text);
        if let Some(line) = self.queue.back_mut() {
            line.head = Some(Head::sign(&self.key, &self.owner, sequence, hash));
        }
        self.since_checkpoint = 0;
    }

    fn key_change(&self, key: VerifyingKey) -> Body {
        let text = key_change_text(&self.owner, &key, self.last);
        let signature = self.key.sign(Purpose::KeyChange, &text).to_vec();
        Body::Key(KeyChange { key, previous: self.key.key_id(), signature })
    }
}
