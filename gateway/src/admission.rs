//! How many calls may be under way: of all callers, and of each user.
//!
//! A call beyond a limit waits a little for a place, so that a short burst goes
//! unnoticed, and is refused then, so that a queue never grows.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;

/// Readings of resources at the same time, of all callers and of each user: one takes a
/// few MiB of memory, where a tool's answer takes a few KiB.
const READINGS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(31);
const READINGS_OF_USER: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// The places of one gateway.
#[derive(Debug)]
pub(crate) struct Admission {
    all: Arc<Semaphore>,
    users: Mutex<HashMap<String, Arc<Semaphore>>>,
    limits: Limits,
}

/// A place for one call; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    _of_user: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// No place was free in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Busy {
    #[error(
        "you have {0} calls under way, which is the limit for one user; wait for one to end, then \
         call again"
    )]
    User(usize),
    #[error("the gateway has {0} calls under way, which is its limit; call again in a moment")]
    Gateway(usize),
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(permits(limits.concurrent_calls.get()))),
            users: Mutex::default(),
            limits: limits.clone(),
        }
    }

    /// Fewer places, for readings of resources, beside those for calls.
    pub(crate) fn of_readings(limits: &Limits) -> Self {
        Self::new(&Limits {
            concurrent_calls: limits.concurrent_calls.min(READINGS),
            concurrent_calls_per_subject: limits.concurrent_calls_per_subject.min(READINGS_OF_USER),
            ..limits.clone()
        })
    }

    /// Places that are taken now.
    pub(crate) fn under_way(&self) -> usize {
        let all = permits(self.limits.concurrent_calls.get());
        all.saturating_sub(self.all.available_permits())
    }

    /// Waits for a place for a call of `user`.
    pub(crate) async fn admit(&self, user: &str) -> Result<Admitted, Busy> {
        let Limits { concurrent_calls, concurrent_calls_per_subject, queue, .. } = self.limits;
        let of_user = place(self.of_user(user), queue)
            .await
            .ok_or(Busy::User(concurrent_calls_per_subject.get()))?;
        let of_all = place(Arc::clone(&self.all), queue)
            .await
            .ok_or(Busy::Gateway(concurrent_calls.get()))?;
        Ok(Admitted { _of_user: of_user, _of_all: of_all })
    }

    fn of_user(&self, user: &str) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = users.get(user) {
            return Arc::clone(places);
        }
        // Users who have no call under way need no entry.
        users.retain(|_, places| Arc::strong_count(places) > 1);
        let count = permits(self.limits.concurrent_calls_per_subject.get());
        let places = Arc::new(Semaphore::new(count));
        users.insert(user.to_owned(), Arc::clone(&places));
        places
    }
}

fn permits(count: usize) -> usize {
    count.min(Semaphore::MAX_PERMITS)
}

async fn place(places: Arc<Semaphore>, queue: Duration) -> Option<OwnedSemaphorePermit> {
    tokio::time::timeout(queue, places.acquire_owned()).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn admission(all: usize, each: usize) -> Admission {
        let count = |number| NonZeroUsize::new(number).unwrap();
        Admission::new(&Limits {
            concurrent_calls: count(all),
            concurrent_calls_per_subject: count(each),
            queue: Duration::from_millis(20),
            ..Limits::smallest()
        })
    }

    #[tokio::test]
    async fn a_user_beyond_the_limit_is_refused_and_others_are_not() {
        let admission = admission(10, 1);
        let first = admission.admit("ada").await.unwrap();
        assert_eq!(admission.admit("ada").await.unwrap_err(), Busy::User(1));
        let _other = admission.admit("bob").await.unwrap();
        drop(first);
        admission.admit("ada").await.unwrap();
    }

    #[tokio::test]
    async fn the_gateway_has_a_limit_over_all_users() {
        let admission = admission(1, 10);
        let _first = admission.admit("ada").await.unwrap();
        assert_eq!(admission.admit("bob").await.unwrap_err(), Busy::Gateway(1));
    }

    #[tokio::test]
    async fn users_without_calls_are_forgotten() {
        let admission = admission(100, 10);
        for user in 0..50 {
            drop(admission.admit(&user.to_string()).await.unwrap());
        }
        assert!(admission.users.lock().unwrap().len() <= 2);
    }
}
