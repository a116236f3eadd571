//! The runs of this host: those that are under way, and those that ended
//! lately.
//!
//! A run id names one run. The same id with the same action attaches to it, with
//! another action it is refused, so that a retry never runs a command twice.
//! What ended is kept within bounds of number, memory and time, of all runs and of
//! each user's; [`crate::replay`] remembers ids for longer.

mod closed;
mod places;
mod run;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cofferdam_plan::RunId;
use cofferdam_proto::exec::v1::{Finished, RunOwner};

use crate::cap::Crowd;
use crate::config::Limits;
use crate::spool::Room;
use closed::Closed;
use places::Places;

/// Runs that have ended and outlive this process with their output: each is a few
/// descriptors of the service manager's.
const OUTLIVING: usize = 64;
/// How long a call waits for a place.
const PATIENCE: Duration = Duration::from_secs(2);

pub use places::{Place, User};
pub use run::{Begin, Order, Run, State, SteerError, known};

/// Whose runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owned<'a> {
    /// Of this caller; none: of everybody.
    pub by: Option<&'a RunOwner>,
    /// Of this session; none: of all.
    pub session: Option<&'a str>,
}

/// All runs.
#[derive(Debug)]
pub struct Registry {
    runs: Mutex<Runs>,
    places: Places,
    limits: Limits,
    /// For the output of all runs.
    room: Arc<Room>,
}

#[derive(Debug, Default)]
struct Runs {
    all: BTreeMap<RunId, Arc<Run>>,
    /// Those that ended, oldest first.
    ended: VecDeque<RunId>,
    /// Sessions that start nothing any more.
    closed: Closed,
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
    /// Its session was closed while it was on its way.
    #[error("its session was closed; open another one, or call without a session")]
    SessionClosed,
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
        let room = Room::new(usize::try_from(limits.held_output.0).unwrap_or(usize::MAX));
        Self { runs: Mutex::default(), places, limits, room }
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
            Some(run) if run.action() == begin.action && run.is_through(&begin.gateway) => {
                Ok(Entered::There(Arc::clone(run)))
            }
            Some(_) => Err(RegistryError::OtherAction),
            None if runs.stopping => Err(RegistryError::Stopping),
            None if runs.closed.holds(&begin) => Err(RegistryError::SessionClosed),
            None => {
                let run = Arc::new(Run::new(begin, &self.room));
                runs.all.insert(run.id(), Arc::clone(&run));
                Ok(Entered::New(run))
            }
        }
    }

    /// Lets a run go that was refused before it started.
    pub fn leave(&self, id: RunId) {
        self.lock().all.remove(&id);
    }

    /// The run of this id that this gateway asked for.
    ///
    /// # Errors
    /// Where there is none, or it ended too long ago.
    pub fn get(&self, gateway: &str, id: RunId) -> Result<Arc<Run>, RegistryError> {
        let run = self.lock().all.get(&id).cloned();
        let run = run.filter(|run| run.is_through(gateway) && !self.is_past(run));
        run.ok_or(RegistryError::Unknown)
    }

    /// At most `most` runs that this gateway asked for, with ids after `after`, in
    /// the order of their ids: those that are `owned`.
    #[must_use]
    pub fn list(
        &self,
        gateway: &str,
        after: Option<RunId>,
        most: usize,
        owned: Owned<'_>,
    ) -> Vec<Arc<Run>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let runs = self.lock();
        let wanted = |run: &&Arc<Run>| {
            let Owned { by, session } = owned;
            let its = by.is_none_or(|owner| run.is_of(owner));
            let in_it = session.is_none_or(|session| run.is_in(session));
            its && in_it && run.is_through(gateway) && !self.is_past(run)
        };
        let all = runs.all.range((from, Bound::Unbounded)).map(|(_, run)| run);
        all.filter(wanted).take(most).map(Arc::clone).collect()
    }

    /// All runs that have not ended, in order of their ids.
    #[must_use]
    pub fn under_way(&self) -> Vec<Arc<Run>> {
        let runs = self.lock();
        runs.all.values().filter(|run| run.ended_at().is_none()).map(Arc::clone).collect()
    }

    /// Starts nothing more in this session of `owner`, as this gateway names both, and
    /// gives its runs that have not ended.
    pub fn close(&self, gateway: &str, owner: &RunOwner, session: &str) -> Vec<Arc<Run>> {
        let mut runs = self.lock();
        runs.closed.add(gateway, owner, session);
        let its = |run: &&Arc<Run>| {
            let in_session = run.is_in(session) && run.is_of(owner) && run.is_through(gateway);
            in_session && run.ended_at().is_none()
        };
        runs.all.values().filter(its).map(Arc::clone).collect()
    }

    /// Enters a run that an earlier process began and this one goes on with.
    pub fn resume(&self, begin: Begin) -> Arc<Run> {
        let run = Arc::new(Run::new(begin, &self.room));
        self.lock().all.insert(run.id(), Arc::clone(&run));
        run
    }

    /// Enters a run that an earlier process began and nobody saw the end of, so
    /// that who asks for it is told.
    pub fn lost(&self, begin: Begin, finished: Finished) {
        let run = Arc::new(Run::new(begin, &self.room));
        run.spool().close();
        run.finished(finished);
        let id = run.id();
        self.lock().all.insert(id, run);
        self.ended(id);
    }

    /// Notes that a run has ended, and forgets the oldest above the bounds; those that
    /// were left to themselves last, because somebody has yet to ask how they ended.
    pub fn ended(&self, id: RunId) {
        let mut runs = self.lock();
        runs.ended.push_back(id);
        // Only so many of them outlive this process.
        if let Some(older) = runs.ended.len().checked_sub(OUTLIVING + 1) {
            _ = runs.all.get(&runs.ended[older]).inspect(|run| run.is_forgotten());
        }
        let owner = |runs: &Runs, id: &RunId| -> Option<(String, String)> {
            let (tenant, user) = runs.all.get(id)?.owner();
            Some((tenant.to_owned(), user.to_owned()))
        };
        let own = owner(&runs, &id);
        let mut its: Vec<RunId> =
            runs.ended.iter().filter(|id| owner(&runs, id) == own).copied().collect();
        its.sort_by_key(|id| runs.is_kept(*id));
        let above = its.len().saturating_sub(self.limits.kept_runs_per_user);
        its[..above].iter().for_each(|id| runs.forget(*id));
        let most = usize::try_from(self.limits.kept_output.0).unwrap_or(usize::MAX);
        while runs.ended.len() > self.limits.kept_runs || runs.held_of_ended() > most {
            let oldest = runs.ended.iter().copied().min_by_key(|id| runs.is_kept(*id));
            let Some(oldest) = oldest else { break };
            runs.forget(oldest);
        }
    }

    /// How long a run is kept after its end, at most.
    #[must_use]
    pub fn kept(&self) -> Duration {
        Duration::from_secs(self.limits.kept_seconds)
    }

    /// Forgets what ended too long ago.
    pub fn sweep(&self) {
        let mut runs = self.lock();
        let past = runs.all.values().filter(|run| self.is_past(run)).map(|run| run.id());
        let past: Vec<RunId> = past.collect();
        for id in past {
            runs.forget(id);
        }
    }

    fn is_past(&self, run: &Run) -> bool {
        run.ended_at().is_some_and(|at| Instant::now().duration_since(at) > self.kept())
    }

    /// Starts nothing new from now on, and cancels what runs.
    pub fn stop(&self) {
        let mut runs = self.lock();
        runs.stopping = true;
        for run in runs.all.values() {
            run.cancel("agent stopped");
        }
    }

    /// Starts nothing new from now on; what runs is left to the next process.
    pub fn leave_all(&self) {
        self.lock().stopping = true;
    }

    /// Waits until no call holds a cell.
    pub async fn empty(&self) {
        self.places.empty().await;
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    fn is_kept(&self, id: RunId) -> bool {
        self.all.get(&id).is_some_and(|run| run.is_kept())
    }

    fn forget(&mut self, id: RunId) {
        self.ended.retain(|ended| *ended != id);
        _ = self.all.remove(&id).inspect(|run| run.is_forgotten());
    }

    fn held_of_ended(&self) -> usize {
        self.ended.iter().filter_map(|id| self.all.get(id)).map(|run| run.spool().held()).sum()
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_proto::intent::v1::Subject;

    use super::*;

    fn registry(kept_runs: usize) -> Registry {
        Registry::new(Limits { runs: 1, kept_runs, ..Limits::default() })
    }

    fn begin(id: u8, action: u8) -> Begin {
        Begin { id: RunId([id; 16]), action: [action; 32], spool: (16, 16), ..Begin::default() }
    }

    #[test]
    fn the_same_id_and_action_attach_and_another_action_is_refused() {
        let registry = registry(1);
        assert!(matches!(registry.enter(begin(1, 1)), Ok(Entered::New(_))));
        assert!(matches!(registry.enter(begin(1, 1)), Ok(Entered::There(_))));
        assert!(matches!(registry.enter(begin(1, 2)), Err(RegistryError::OtherAction)));
        let stranger = Begin { gateway: "other".to_owned(), ..begin(1, 1) };
        assert!(matches!(registry.enter(stranger), Err(RegistryError::OtherAction)));
    }

    #[test]
    fn the_oldest_ended_runs_are_forgotten_and_running_ones_never() {
        let registry = registry(1);
        for id in 1..=3 {
            registry.enter(begin(id, 1)).unwrap();
        }
        registry.ended(RunId([1; 16]));
        registry.ended(RunId([2; 16]));
        assert_eq!(registry.get("", RunId([1; 16])).unwrap_err(), RegistryError::Unknown);
        assert!(registry.get("", RunId([2; 16])).is_ok());
        assert_eq!(registry.list("", Some(RunId([2; 16])), 10, Owned::default()).len(), 1);
    }

    fn of(user: &str, id: u8) -> Begin {
        let subject = Subject { user: user.to_owned(), ..Subject::default() };
        Begin { subject: Some(subject), project: "shop".to_owned(), ..begin(id, 1) }
    }

    #[test]
    fn what_one_user_ends_pushes_out_nothing_of_another() {
        let limits = Limits { kept_runs_per_user: 2, ..Limits::default() };
        let registry = Registry::new(limits);
        for (user, id) in [("bob", 1), ("ann", 2), ("ann", 3), ("ann", 4)] {
            registry.enter(of(user, id)).unwrap();
            registry.ended(RunId([id; 16]));
        }
        let owner = |user: &str| RunOwner { user: user.to_owned(), ..RunOwner::default() };
        let listed = |user: &str| -> Vec<u8> {
            registry
                .list("", None, 10, Owned { by: Some(&owner(user)), session: None })
                .iter()
                .map(|run| run.id().0[0])
                .collect()
        };
        assert_eq!((listed("bob"), listed("ann")), (vec![1], vec![3, 4]));
    }

    #[test]
    fn a_run_of_another_user_tenant_or_project_is_not_ones_own() {
        let run = Run::new(of("ann", 1), &Room::new(1));
        let owner = |tenant: &str, user: &str, project: &str| RunOwner {
            tenant: tenant.to_owned(),
            user: user.to_owned(),
            project: project.to_owned(),
        };
        assert!(run.is_of(&owner("", "ann", "shop")) && run.is_of(&owner("", "ann", "")));
        for other in [owner("", "bob", "shop"), owner("t", "ann", "shop"), owner("", "ann", "x")] {
            assert!(!run.is_of(&other), "{other:?}");
        }
    }

    #[test]
    fn another_gateway_hears_of_no_run_and_closes_no_session() {
        let registry = registry(10);
        let of = |gateway: &str, id| Begin {
            gateway: gateway.to_owned(),
            session: "session".to_owned(),
            ..of("ann", id)
        };
        registry.enter(of("main", 1)).unwrap();
        assert!(registry.get("main", RunId([1; 16])).is_ok());
        assert_eq!(registry.get("other", RunId([1; 16])).unwrap_err(), RegistryError::Unknown);
        let owner =
            RunOwner { user: "ann".to_owned(), project: "shop".to_owned(), ..RunOwner::default() };
        let of_owner = Owned { by: Some(&owner), session: Some("session") };
        assert_eq!(registry.list("other", None, 10, of_owner).len(), 0);
        assert_eq!(registry.list("main", None, 10, of_owner).len(), 1);
        let elsewhere = Owned { by: Some(&owner), session: Some("another") };
        assert_eq!(registry.list("main", None, 10, elsewhere).len(), 0);
        assert_eq!(registry.close("other", &owner, "session").len(), 0);
        assert!(matches!(registry.enter(of("main", 2)), Ok(Entered::New(_))));
        assert!(matches!(registry.enter(of("other", 3)), Err(RegistryError::SessionClosed)));
        assert_eq!(registry.close("main", &owner, "session").len(), 2);
    }

    #[test]
    fn what_ended_too_long_ago_is_not_there_any_more() {
        let registry = Registry::new(Limits { kept_seconds: 0, ..Limits::default() });
        registry.lost(begin(1, 1), Finished::default());
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(registry.get("", RunId([1; 16])).unwrap_err(), RegistryError::Unknown);
        registry.sweep();
        assert!(registry.lock().all.is_empty() && registry.lock().ended.is_empty());
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
