//! What each user may take of the gateway before anything of theirs is read, so
//! that one token never keeps the others out: bytes of requests in memory, and
//! requests a second.
//!
//! Invariant: the sum over a user's requests that are read, wait or are worked on
//! is within their share; a request counts with the length that it announces, and
//! with the longest that is taken where it announces none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;

/// What bytes are counted in: a semaphore holds no more than 2^29 on 32 bits.
const KIB: usize = 1024;

/// So many seconds of requests may come at once.
const BURST: u64 = 10;

/// Users beyond which those who asked for nothing lately are forgotten.
const REMEMBERED: usize = 1024;

/// The shares of all users.
#[derive(Debug)]
pub(super) struct Fair {
    largest: usize,
    bytes: usize,
    queue: Duration,
    a_second: u64,
    held: Mutex<HashMap<String, Arc<Semaphore>>>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// Requests that a user may still make, in thousandths, as of a moment.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u64,
    at: Instant,
}

/// Bytes of a user's share; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    _permit: OwnedSemaphorePermit,
}

/// A user's share is used up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMuch {
    #[error(
        "your requests under way have {0} bytes, which is the limit for one user; wait for one to \
         end, or send less at once"
    )]
    Bytes(usize),
    #[error("you make more than {0} requests a second, which is the limit for one user; slow down")]
    Requests(u64),
}

impl Fair {
    pub(super) fn new(limits: &Limits) -> Self {
        let largest = limits.body_bytes.get();
        Self {
            largest,
            // One request has room in any case.
            bytes: limits.body_bytes_per_subject.get().max(largest),
            queue: limits.queue,
            a_second: limits.requests_per_second_per_subject.get() as u64,
            held: Mutex::default(),
            buckets: Mutex::default(),
        }
    }

    /// Counts a request of `user`.
    pub(super) fn count(&self, user: &str) -> Result<(), TooMuch> {
        self.count_at(user, Instant::now())
    }

    fn count_at(&self, user: &str, now: Instant) -> Result<(), TooMuch> {
        let most = self.a_second.saturating_mul(BURST * 1000);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(user) {
            buckets.retain(|_, bucket| bucket.left_at(now, self.a_second) < most);
        }
        let bucket = buckets.entry(user.to_owned()).or_insert(Bucket { left: most, at: now });
        let left = bucket.left_at(now, self.a_second).min(most);
        *bucket = Bucket { left: left.saturating_sub(1000), at: now };
        if left < 1000 { Err(TooMuch::Requests(self.a_second)) } else { Ok(()) }
    }

    /// Waits a little for room for a body of `user` that announces this length.
    pub(super) async fn hold(&self, user: &str, length: Option<u64>) -> Result<Held, TooMuch> {
        let announced = length.and_then(|length| usize::try_from(length).ok());
        // What is longer is refused when it is read.
        let kib = announced.unwrap_or(self.largest).min(self.largest).div_ceil(KIB).max(1);
        let count = u32::try_from(kib).unwrap_or(u32::MAX);
        let waiting = self.of_user(user).acquire_many_owned(count);
        match tokio::time::timeout(self.queue, waiting).await {
            Ok(Ok(permit)) => Ok(Held { _permit: permit }),
            _ => Err(TooMuch::Bytes(self.bytes)),
        }
    }

    fn of_user(&self, user: &str) -> Arc<Semaphore> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = held.get(user) {
            return Arc::clone(share);
        }
        // Users who have nothing under way need no entry.
        held.retain(|_, share| Arc::strong_count(share) > 1);
        let share = self.bytes.div_ceil(KIB).min(Semaphore::MAX_PERMITS);
        let share = Arc::new(Semaphore::new(share));
        held.insert(user.to_owned(), Arc::clone(&share));
        share
    }
}

impl Bucket {
    fn left_at(&self, now: Instant, a_second: u64) -> u64 {
        let passed = now.saturating_duration_since(self.at).as_millis();
        let back = u64::try_from(passed).unwrap_or(u64::MAX).saturating_mul(a_second);
        self.left.saturating_add(back)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn fair(bytes: usize, a_second: usize) -> Fair {
        let count = |number| NonZeroUsize::new(number).unwrap();
        Fair::new(&Limits {
            body_bytes: count(8 * KIB),
            body_bytes_per_subject: count(bytes),
            requests_per_second_per_subject: count(a_second),
            queue: Duration::from_millis(20),
            ..Limits::smallest()
        })
    }

    #[tokio::test]
    async fn a_users_bodies_have_a_share_and_others_have_theirs() {
        let fair = fair(16 * KIB, 1);
        let first = fair.hold("ada", Some(8 * 1024)).await.unwrap();
        // Without a length it may be the longest.
        let second = fair.hold("ada", None).await.unwrap();
        assert_eq!(fair.hold("ada", Some(1)).await.unwrap_err(), TooMuch::Bytes(16 * KIB));
        let _other = fair.hold("bob", Some(1)).await.unwrap();
        drop(first);
        // What claims to be longer than is taken is refused when it is read.
        drop(fair.hold("ada", Some(u64::MAX)).await.unwrap());
        drop(second);
        drop(fair.hold("eve", Some(0)).await.unwrap());
        assert!(fair.held.lock().unwrap().len() <= 2);
    }

    #[test]
    fn a_user_who_is_too_fast_is_refused_until_time_has_passed() {
        let fair = fair(1, 2);
        let start = Instant::now();
        let taken = |user: &str, after: u64| {
            fair.count_at(user, start + Duration::from_millis(after)).is_ok()
        };
        assert_eq!((0..100).filter(|_| taken("ada", 0)).count(), 20);
        assert!(taken("bob", 0));
        assert!(!taken("ada", 499) && taken("ada", 1000) && !taken("ada", 1000));
        assert_eq!((0..100).filter(|_| taken("ada", 3_600_000)).count(), 20);
    }

    #[test]
    fn users_of_long_ago_are_forgotten() {
        let fair = fair(1, 1);
        let start = Instant::now();
        for user in 0..REMEMBERED + 10 {
            let at = start + Duration::from_secs(user as u64);
            fair.count_at(&user.to_string(), at).unwrap();
        }
        assert!(fair.buckets.lock().unwrap().len() < REMEMBERED);
    }
}
