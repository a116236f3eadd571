//! Tells who lists their runs that there are others now: some began, some ended.
//!
//! What this gateway starts and follows is told, and only to the user whose run it is.
//! What another gateway of the same hosts starts is seen by whoever lists again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::caller::Caller;

/// A run that is shorter is told of once, when it has ended.
const SHORT: Duration = Duration::from_secs(1);

/// Whose runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Owner {
    pub(crate) tenant: String,
    pub(crate) user: String,
}

/// Who is to be told.
#[derive(Debug, Default)]
pub(crate) struct RunsChanged(Mutex<HashMap<Owner, watch::Sender<()>>>);

impl Owner {
    /// The owner of what `caller` starts.
    pub(crate) fn of(caller: &Caller) -> Self {
        Self { tenant: caller.tenant.clone(), user: caller.user.clone() }
    }
}

impl RunsChanged {
    /// All changes from now on.
    pub(crate) fn listen(&self, owner: Owner) -> watch::Receiver<()> {
        self.lock().entry(owner).or_default().subscribe()
    }

    /// Tells whoever listens that a run of `owner` began or ended.
    pub(crate) fn tell(&self, owner: &Owner) {
        let mut senders = self.lock();
        let Some(sender) = senders.get(owner) else { return };
        if sender.send(()).is_err() {
            // Nobody listens any more.
            senders.remove(owner);
        }
    }

    /// What becomes of a run that `owner` starts, while it is told of: once it has gone
    /// on for a while, and when it is over or left to itself.
    pub(crate) async fn around<F: Future>(&self, owner: &Owner, led: F) -> F::Output {
        tokio::pin!(led);
        let led = if let Ok(led) = tokio::time::timeout(SHORT, &mut led).await {
            led
        } else {
            self.tell(owner);
            led.await
        };
        self.tell(owner);
        led
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(user: &str) -> Owner {
        Owner { tenant: String::new(), user: user.into() }
    }

    #[tokio::test]
    async fn only_the_owner_is_told_and_nobody_is_remembered_who_left() {
        let changes = RunsChanged::default();
        let mut ann = changes.listen(owner("ann"));
        let bob = changes.listen(owner("bob"));
        changes.tell(&owner("ann"));
        ann.changed().await.unwrap();
        assert!(!bob.has_changed().unwrap());
        drop((ann, bob));
        changes.tell(&owner("ann"));
        changes.tell(&owner("bob"));
        assert!(changes.lock().is_empty());
    }

    #[tokio::test]
    async fn a_long_run_is_told_of_when_it_began_and_when_it_ended_and_a_short_one_once() {
        let changes = RunsChanged::default();
        let own = owner("ann");
        let mut ann = changes.listen(own.clone());
        changes.around(&own, async {}).await;
        assert!(ann.has_changed().unwrap());
        ann.mark_unchanged();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let run = changes.around(&own, ended);
        let seen = async {
            // It is told of while it goes on.
            ann.changed().await.unwrap();
            end.send(()).unwrap();
        };
        let (ended, ()) = tokio::join!(run, seen);
        ended.unwrap();
        assert!(ann.has_changed().unwrap());
    }
}
