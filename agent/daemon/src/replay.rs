//! Remembers intents for as long as they count, so that none is used twice.
//!
//! Bounded: when full, new intents are refused rather than old ones forgotten.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use cofferdam_plan::RunId;

use crate::intent::Verified;

/// Intents that are remembered at the same time.
const CAPACITY: usize = 200_000;

/// What was seen.
#[derive(Debug, Default)]
pub struct Replays {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    runs: HashMap<RunId, Remembered>,
    nonces: HashMap<[u8; 16], RunId>,
    ends: BTreeSet<(SystemTime, RunId)>,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    nonce: [u8; 16],
    action: [u8; 32],
    until: SystemTime,
}

/// Why an intent is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// This run id was used, with this action.
    #[error("this run was started before and its output is no longer held; use a new run id")]
    SameRun,
    /// This run id was used, with another action.
    #[error("this run id was used for another action; use a new run id")]
    OtherAction,
    /// This nonce was used with another run id.
    #[error("this intent's nonce was used before: it is a replay")]
    Nonce,
    /// Too many intents are remembered.
    #[error("this host takes no more calls for now: too many intents count at the same time")]
    Full,
}

impl Replays {
    /// Takes an intent; it is not taken again while it counts.
    ///
    /// # Errors
    /// Where it was seen before.
    pub fn take(&self, verified: &Verified, now: SystemTime) -> Result<(), ReplayError> {
        let remembered = Remembered {
            nonce: verified.nonce(),
            action: verified.action_digest(),
            until: verified.counts_until(),
        };
        self.remember(verified.run(), remembered, now)
    }

    /// Lets an intent go that came to nothing: nothing was recorded or started.
    pub fn release(&self, run: RunId) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Remembered { nonce, until, .. }) = seen.runs.remove(&run) {
            seen.nonces.remove(&nonce);
            seen.ends.remove(&(until, run));
        }
    }

    fn remember(&self, run: RunId, it: Remembered, now: SystemTime) -> Result<(), ReplayError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget_until(now);
        match seen.runs.get(&run) {
            Some(known) if known.action == it.action => return Err(ReplayError::SameRun),
            Some(_) => return Err(ReplayError::OtherAction),
            None if seen.nonces.contains_key(&it.nonce) => return Err(ReplayError::Nonce),
            None if seen.runs.len() >= CAPACITY => return Err(ReplayError::Full),
            None => {}
        }
        seen.runs.insert(run, it);
        seen.nonces.insert(it.nonce, run);
        seen.ends.insert((it.until, run));
        Ok(())
    }

    /// Remembers an intent of the journal, from before this process started.
    pub fn recall(&self, verified: &Recalled, now: SystemTime) {
        let Recalled { run, nonce, action, until } = *verified;
        if until > now {
            // What is there already is as good.
            _ = self.remember(run, Remembered { nonce, action, until }, now);
        }
    }
}

/// An intent of the journal.
#[derive(Debug, Clone, Copy)]
pub struct Recalled {
    /// The run's name.
    pub run: RunId,
    /// Its nonce.
    pub nonce: [u8; 16],
    /// Its action's digest.
    pub action: [u8; 32],
    /// When it stops to count.
    pub until: SystemTime,
}

impl Seen {
    fn forget_until(&mut self, now: SystemTime) {
        while let Some((until, run)) = self.ends.first().copied() {
            if until > now {
                break;
            }
            self.ends.remove(&(until, run));
            if let Some(gone) = self.runs.remove(&run) {
                self.nonces.remove(&gone.nonce);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn it(nonce: u8, action: u8) -> Remembered {
        Remembered {
            nonce: [nonce; 16],
            action: [action; 32],
            until: UNIX_EPOCH + Duration::from_secs(100),
        }
    }

    #[test]
    fn an_intent_is_taken_once_while_it_counts() {
        let replays = Replays::default();
        let (one, two) = (RunId([1; 16]), RunId([2; 16]));
        assert_eq!(replays.remember(one, it(1, 1), UNIX_EPOCH), Ok(()));
        assert_eq!(replays.remember(one, it(2, 1), UNIX_EPOCH), Err(ReplayError::SameRun));
        assert_eq!(replays.remember(one, it(2, 2), UNIX_EPOCH), Err(ReplayError::OtherAction));
        assert_eq!(replays.remember(two, it(1, 1), UNIX_EPOCH), Err(ReplayError::Nonce));
        let later = UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(replays.remember(one, it(1, 1), later), Ok(()));
    }

    #[test]
    fn an_intent_that_came_to_nothing_can_be_tried_again() {
        let replays = Replays::default();
        let run = RunId([1; 16]);
        assert_eq!(replays.remember(run, it(1, 1), UNIX_EPOCH), Ok(()));
        replays.release(run);
        assert_eq!(replays.remember(run, it(1, 1), UNIX_EPOCH), Ok(()));
    }
}
