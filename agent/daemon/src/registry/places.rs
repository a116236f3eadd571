//! How many calls are under way: of everybody, and of each user.
//!
//! The agent's own `limits.runs` is what it can bear; the ceiling's `limits.runs`
//! and `limits.runs_per_user` are what the host's owner gives. A call counts from
//! when it asks for its place until its cell is let go.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_proto::intent::v1::Subject;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::{PATIENCE, RegistryError};
use crate::cap::Crowd;
use crate::intent::Verified;

/// A user, as one gateway names them: nobody else's calls count as theirs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// The gateway that vouches.
    pub gateway: String,
    /// The tenant.
    pub tenant: String,
    /// The name.
    pub user: String,
}

impl User {
    /// The caller of an intent.
    #[must_use]
    pub fn of(verified: &Verified) -> Self {
        let intent = verified.intent();
        let Subject { user, tenant, .. } = intent.subject.clone().unwrap_or_default();
        Self { gateway: intent.gateway.clone(), tenant, user }
    }
}

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    own: usize,
    permits: Arc<Semaphore>,
    under_way: Arc<UnderWay>,
}

/// Calls that have a place or wait for one.
#[derive(Debug, Default)]
struct UnderWay {
    counts: Mutex<Counts>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    users: HashMap<User, usize>,
}

/// The right to hold a cell. Given back by dropping it.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

/// A call that is counted.
#[derive(Debug)]
struct Counted {
    under_way: Arc<UnderWay>,
    user: User,
}

impl Places {
    pub(super) fn new(own: usize) -> Self {
        Self { own, permits: Arc::new(Semaphore::new(own)), under_way: Arc::default() }
    }

    /// A place for a call of `user`; waits a while for one, because most calls are
    /// short.
    pub(super) async fn take(&self, user: &User, most: Crowd) -> Result<Place, RegistryError> {
        let deadline = Instant::now() + PATIENCE;
        let counted = loop {
            let freed = self.under_way.freed.notified();
            let mut freed = pin!(freed);
            // From here on, so that no place that comes free meanwhile is missed.
            freed.as_mut().enable();
            match self.count(user, most) {
                Ok(counted) => break counted,
                Err(error) => timeout_at(deadline, freed).await.map_err(|_| error)?,
            }
        };
        let free = Arc::clone(&self.permits).acquire_owned();
        match timeout_at(deadline, free).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit, _counted: counted }),
            Ok(Err(_)) | Err(_) => Err(RegistryError::Busy(self.own)),
        }
    }

    /// Counts one more, where the ceiling allows it.
    fn count(&self, user: &User, most: Crowd) -> Result<Counted, RegistryError> {
        let Crowd { runs, runs_per_user, cells_per_user: _ } = most;
        let reached = |most: Option<u32>, count| most.filter(|most| count >= *most as usize);
        let mut counts = self.under_way.lock();
        if let Some(most) = reached(runs, counts.all) {
            return Err(RegistryError::Crowded(most));
        }
        let own = counts.users.get(user).copied().unwrap_or_default();
        if let Some(most) = reached(runs_per_user, own) {
            return Err(RegistryError::CrowdedByUser(most));
        }
        counts.all += 1;
        *counts.users.entry(user.clone()).or_default() += 1;
        Ok(Counted { under_way: Arc::clone(&self.under_way), user: user.clone() })
    }

    /// Waits until nobody has a place.
    pub(super) async fn empty(&self) {
        let all = u32::try_from(self.own).unwrap_or(u32::MAX);
        drop(self.permits.acquire_many(all).await);
    }
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.under_way.lock();
        counts.all -= 1;
        if let Some(own) = counts.users.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                counts.users.remove(&self.user);
            }
        }
        drop(counts);
        self.under_way.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> User {
        User { gateway: "g".to_owned(), tenant: String::new(), user: name.to_owned() }
    }

    #[tokio::test]
    async fn the_ceilings_counts_hold_and_come_back() {
        let places = Places::new(8);
        let most = Crowd { runs: Some(2), runs_per_user: Some(1), cells_per_user: None };
        let first = places.take(&user("a"), most).await.unwrap();
        let refused = places.take(&user("a"), most).await.unwrap_err();
        assert_eq!(refused, RegistryError::CrowdedByUser(1));
        let second = places.take(&user("b"), most).await.unwrap();
        let refused = places.take(&user("c"), most).await.unwrap_err();
        assert_eq!(refused, RegistryError::Crowded(2));
        let again = user("a");
        let (waited, ()) = tokio::join!(places.take(&again, most), async { drop(first) });
        drop((waited.unwrap(), second));
        assert!(places.under_way.lock().users.is_empty());
        assert_eq!(places.under_way.lock().all, 0);
        places.empty().await;
    }

    #[tokio::test]
    async fn one_user_above_its_count_holds_nobody_else_up() {
        let places = Places::new(1);
        let most = Crowd { runs: None, runs_per_user: Some(0), cells_per_user: None };
        let (a, b) = (user("a"), user("b"));
        let (refused, taken) =
            tokio::join!(places.take(&a, most), places.take(&b, Crowd::default()));
        assert_eq!(refused.unwrap_err(), RegistryError::CrowdedByUser(0));
        let full = places.take(&user("c"), Crowd::default()).await.unwrap_err();
        assert_eq!(full, RegistryError::Busy(1));
        drop(taken);
    }
}
