//! How many callers of one user wait to hear of a change at the same time, so that
//! one user's waits leave places for the others'.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::WATCHING_OF_USER;

/// Those who wait, by user; nobody has none.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<HashMap<String, usize>>);

/// A place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Watcher<'a> {
    all: &'a Watchers,
    user: &'a str,
}

impl Watchers {
    /// Takes a place for `user`; none is free otherwise.
    pub(super) fn enter<'a>(&'a self, user: &'a str) -> Option<Watcher<'a>> {
        let mut all = self.lock();
        let own = all.get(user).copied().unwrap_or_default();
        if own >= WATCHING_OF_USER {
            return None;
        }
        all.insert(user.to_owned(), own + 1);
        Some(Watcher { all: self, user })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(own) = all.get_mut(self.user) {
            *own -= 1;
            if *own == 0 {
                all.remove(self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_users_waits_leave_places_for_others_and_come_back() {
        let watchers = Watchers::default();
        let mut ada: Vec<_> =
            (0..WATCHING_OF_USER).map(|_| watchers.enter("ada").unwrap()).collect();
        assert!(watchers.enter("ada").is_none());
        let bob = watchers.enter("bob").unwrap();
        ada.pop();
        assert!(watchers.enter("ada").is_some());
        drop((ada, bob));
        assert!(watchers.lock().is_empty());
    }
}
