//! How many streams of `subscriptions/listen` may be open: of all callers, and of
//! each user.
//!
//! Such a stream lasts as long as its client likes and does nothing most of the
//! time, so that it takes no place among the calls under way; this is its bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::changes::Changes;

/// Streams of one user.
const OF_USER: usize = 32;

/// The streams of one gateway.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    all: usize,
    /// By user; nobody has none.
    open: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place for one stream, given back when it is dropped; with all that changes
/// from this moment on.
#[derive(Debug)]
pub(crate) struct Subscription {
    changes: Changes,
    user: String,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

/// No place is free.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    #[error("you listen on {0} streams, which is the limit for one user; close one")]
    User(usize),
    #[error("{0} streams are listened on, which is the gateway's limit; try again later")]
    Gateway(usize),
}

impl Subscriptions {
    /// At most `all` streams, and fewer of one user.
    pub(super) fn new(all: usize) -> Self {
        Self { all, open: Arc::default() }
    }

    /// Takes a place for a stream of `user`.
    pub(super) fn enter(&self, user: &str, changes: Changes) -> Result<Arc<Subscription>, TooMany> {
        let mut open = lock(&self.open);
        if open.get(user).is_some_and(|&own| own >= OF_USER) {
            return Err(TooMany::User(OF_USER));
        }
        if open.values().sum::<usize>() >= self.all {
            return Err(TooMany::Gateway(self.all));
        }
        *open.entry(user.to_owned()).or_default() += 1;
        let user = user.to_owned();
        Ok(Arc::new(Subscription { changes, user, open: Arc::clone(&self.open) }))
    }
}

impl Subscription {
    /// All that changed since the place was taken.
    pub(crate) fn changes(&self) -> Changes {
        self.changes.clone()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(own) = open.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.user);
            }
        }
    }
}

fn lock(open: &Mutex<HashMap<String, usize>>) -> MutexGuard<'_, HashMap<String, usize>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_for_each_user_and_for_all_and_places_come_back() {
        let sender = tokio::sync::watch::Sender::default();
        let changes = || Changes {
            rules: sender.subscribe(),
            hosts: sender.subscribe(),
            roster: Arc::default(),
        };
        let subscriptions = Subscriptions::new(OF_USER + 1);
        let enter = |user: &str| subscriptions.enter(user, changes());
        let mut ann: Vec<_> = (0..OF_USER).map(|_| enter("ann").unwrap()).collect();
        assert_eq!(enter("ann").unwrap_err(), TooMany::User(OF_USER));
        let bob = enter("bob").unwrap();
        assert_eq!(enter("eve").unwrap_err(), TooMany::Gateway(OF_USER + 1));
        drop(bob);
        ann.pop();
        assert!(enter("eve").is_ok());
        drop(ann);
        assert!(lock(&subscriptions.open).is_empty());
    }
}
