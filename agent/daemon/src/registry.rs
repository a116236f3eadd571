//! The runs of this host: those that are under way, and those that ended
//! lately.
//!
//! A run id names one run. The same id with the same action attaches to it, with
//! another action it is refused, so that a retry never runs a command twice.
//! What ended is kept within bounds; [`crate::replay`] remembers ids for longer.

mod places;
mod run;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_plan::RunId;

use crate::cap::Crowd;
use crate::config::Limits;
use places::Places;

/// How long a call waits for a place.
const PATIENCE: Duration = Duration::from_secs(2);

pub use places::{Place, User};
pub use run::{Begin, Run, State};

/// All runs.
#[derive(Debug)]
pub struct Registry {
    runs: Mutex<Runs>,
    places: Places,
    limits: Limits,
}

#[derive(Debug, Default)]
struct Runs {
    all: BTreeMap<RunId, Arc<Run>>,
    /// Those that ended, oldest first.
    ended: VecDeque<RunId>,
    stopping: bool,
}

/// Why there is no such run, or no new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The id is another action's.
    #[error("this run id was used for another action; use a new run id")]
    OtherAction,
    /// There is none.
    #[error("there is no run with this id here, or it ended long ago")]
    Unknown,
    /// All places are taken.
    #[error(
        "this host runs {0} calls already, as many as `limits.runs` of its agent.toml allows; try \
         again"
    )]
    Busy(usize),
    /// All that the host's owner gives are taken.
    #[error(
        "this host runs {0} calls already, as many as `limits.runs` of its ceiling allows; try \
         again, or its owner raises it"
    )]
    Crowded(u32),
    /// All that the host's owner gives one user are taken.
    #[error(
        "{0} calls of this user are under way on this host already, as many as \
         `limits.runs_per_user` of its ceiling allows; try again when one has ended, or its owner \
         raises it"
    )]
    CrowdedByUser(u32),
    /// The agent stops.
    #[error("the agent is stopping and starts nothing new")]
    Stopping,
}

/// A run that was entered.
#[derive(Debug)]
pub enum Entered {
    /// It was there.
    There(Arc<Run>),
    /// It is new, and the caller's to start.
    New(Arc<Run>),
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let places = Places::new(limits.runs);
        Self { runs: Mutex::default(), places, limits }
    }

    /// Takes the right to hold a cell for a call of `user`, at most as many as
    /// `most` says; waits a while for one where all are taken.
    ///
    /// # Errors
    /// Where none came free in time, or the agent stops.
    pub async fn place(&self, user: &User, most: Crowd) -> Result<Place, RegistryError> {
        let place = self.places.take(user, most).await?;
        if self.lock().stopping {
            return Err(RegistryError::Stopping);
        }
        Ok(place)
    }

    /// Attaches to the run that `begin` names, or enters it as a new one.
    ///
    /// # Errors
    /// Where its id is another action's, or the agent stops.
    pub fn enter(&self, begin: Begin) -> Result<Entered, RegistryError> {
        let mut runs = self.lock();
        match runs.all.get(&begin.id) {
            Some(run) if run.action() == begin.action => Ok(Entered::There(Arc::clone(run))),
            Some(_) => Err(RegistryError::OtherAction),
            None if runs.stopping => Err(RegistryError::Stopping),
            None => {
                let run = Arc::new(Run::new(begin));
                runs.all.insert(run.id(), Arc::clone(&run));
                Ok(Entered::New(run))
            }
        }
    }

    /// Lets a run go that was refused before it started.
    pub fn leave(&self, id: RunId) {
        self.lock().all.remove(&id);
    }

    /// The run of this id.
    ///
    /// # Errors
    /// Where there is none.
    pub fn get(&self, id: RunId) -> Result<Arc<Run>, RegistryError> {
        self.lock().all.get(&id).cloned().ok_or(RegistryError::Unknown)
    }

    /// At most `most` runs with ids after `after`, in the order of their ids.
    #[must_use]
    pub fn list(&self, after: Option<RunId>, most: usize) -> Vec<Arc<Run>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let runs = self.lock();
        runs.all.range((from, Bound::Unbounded)).take(most).map(|(_, run)| run.clone()).collect()
    }

    /// Notes that a run has ended, and forgets the oldest above the bounds.
    pub fn ended(&self, id: RunId) {
        let mut runs = self.lock();
        runs.ended.push_back(id);
        let held = |runs: &Runs| -> usize {
            let ended = runs.ended.iter().filter_map(|id| runs.all.get(id));
            ended.map(|run| run.spool().held()).sum()
        };
        let most = usize::try_from(self.limits.kept_output.0).unwrap_or(usize::MAX);
        while runs.ended.len() > self.limits.kept_runs || held(&runs) > most {
            let Some(oldest) = runs.ended.pop_front() else { break };
            runs.all.remove(&oldest);
        }
    }

    /// Starts nothing new from now on, and cancels what runs.
    pub fn stop(&self) {
        let mut runs = self.lock();
        runs.stopping = true;
        for run in runs.all.values() {
            run.cancel("agent stopped");
        }
    }

    /// Waits until no call holds a cell.
    pub async fn empty(&self) {
        self.places.empty().await;
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(kept_runs: usize) -> Registry {
        Registry::new(Limits { runs: 1, kept_runs, ..Limits::default() })
    }

    fn begin(id: u8, action: u8) -> Begin {
        Begin {
            id: RunId([id; 16]),
            action: [action; 32],
            subject: None,
            profile: String::new(),
            spool: (16, 16),
        }
    }

    #[test]
    fn the_same_id_and_action_attach_and_another_action_is_refused() {
        let registry = registry(1);
        assert!(matches!(registry.enter(begin(1, 1)), Ok(Entered::New(_))));
        assert!(matches!(registry.enter(begin(1, 1)), Ok(Entered::There(_))));
        assert!(matches!(registry.enter(begin(1, 2)), Err(RegistryError::OtherAction)));
    }

    #[test]
    fn the_oldest_ended_runs_are_forgotten_and_running_ones_never() {
        let registry = registry(1);
        for id in 1..=3 {
            registry.enter(begin(id, 1)).unwrap();
        }
        registry.ended(RunId([1; 16]));
        registry.ended(RunId([2; 16]));
        assert_eq!(registry.get(RunId([1; 16])).unwrap_err(), RegistryError::Unknown);
        assert!(registry.get(RunId([2; 16])).is_ok());
        assert_eq!(registry.list(Some(RunId([2; 16])), 10).len(), 1);
    }

    #[tokio::test]
    async fn places_are_bounded_and_come_back() {
        let registry = registry(1);
        let user = User { gateway: String::new(), tenant: String::new(), user: "alice".to_owned() };
        let place = async || registry.place(&user, Crowd::default()).await;
        let held = place().await.unwrap();
        assert_eq!(place().await.unwrap_err(), RegistryError::Busy(1));
        let (waited, ()) = tokio::join!(place(), async { drop(held) });
        drop(waited.unwrap());
        registry.stop();
        assert_eq!(place().await.unwrap_err(), RegistryError::Stopping);
    }
}
