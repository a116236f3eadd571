//! Cells that outlive this process: what is kept of them, and how the next process goes
//! on with them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_plan::{CellId, RunId};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::built::Built;
use super::footing::Ground;
use super::held::Held;
use super::site::Site;
use super::{Cells, SessionKey, Shared, disk_of};
use crate::cell::{Again, Cell, Phase};
use crate::places::Reliance;
use crate::programs::Pins;
use crate::registry::User;
use crate::restart::VERSION;
use crate::restart::cell::{self, Words};
use crate::restart::left::LeftCell;
use crate::restart::run::KeptRun;
use crate::worker::resident::Desk;

/// What a cell is for: see `Wanted::purpose`.
const CHANGE: &str = "change";
const LOOK: &str = "look";

/// A cell that goes on, and its runs, each with the cell in its hand.
pub type Resumed = Vec<(RunId, Held, Again)>;

impl Cells {
    /// Has a cell outlive this process, if there is a store. Where that fails it does
    /// not, and its log says so: the call goes on.
    pub(super) fn keep(
        &self,
        shared: &Shared,
        session: Option<&SessionKey>,
        user: &User,
        purpose: &str,
    ) {
        if !self.store.is_there() {
            return;
        }
        let Shared { cell: built, plan, ground, idle, .. } = shared;
        let user = user.clone();
        let session = session.cloned().map(|key| {
            let SessionKey { user: _, client, project, session } = key;
            cell::Session { client, project, session }
        });
        let words = Words {
            version: VERSION,
            plan: Words::of_plan(plan),
            session,
            user: Some(cell::User { gateway: user.gateway, tenant: user.tenant, user: user.user }),
            change: purpose == CHANGE,
            idle_millis: u64::try_from(idle.as_millis()).unwrap_or(u64::MAX),
            pins: ground.of_cell().kept(),
            site: built.site.kept(),
            protected: built.places.as_ref().map(Reliance::kept).unwrap_or_default(),
            relies: built.places.is_some(),
            since: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            ..Words::default()
        };
        if let Err(error) = built.keep(&self.store, words) {
            tracing::warn!(%error, "a cell will end with this agent");
        }
    }

    /// Goes on with a cell of an earlier process and the runs in it.
    ///
    /// # Errors
    /// Why it does not go on, in words; it is over then.
    pub async fn resume(
        &self,
        id: CellId,
        left: LeftCell,
        runs: Vec<(RunId, Phase, Arc<KeptRun>)>,
    ) -> Result<Resumed, String> {
        let words = left.words.clone();
        let plan = Arc::new(left.plan.clone());
        let cell::User { gateway, tenant, user } = left.user.clone();
        let user = User { gateway, tenant, user };
        let again = Cell::again(&self.warden, &self.store, id, left, runs).await;
        let (cell, again) = again.map_err(|error| error.to_string())?;
        let since = UNIX_EPOCH.checked_add(Duration::from_secs(words.since)).unwrap_or(UNIX_EPOCH);
        let workspace = &plan.workspace.path;
        let places = if words.relies {
            let kept = words.protected;
            Some(self.places.rely_again(workspace, &plan.profile, since, kept).await)
        } else {
            None
        };
        let built = Built {
            places,
            disk: disk_of(&plan),
            site: Site::again(&plan, &words.site),
            // Whatever the ceiling says now: it is there.
            claim: self.claims.take(&user, None),
            cell,
        };
        let alone = built.cgroup().is_empty().then(|| Arc::new(Semaphore::new(1)));
        let purpose = if words.change { CHANGE } else { LOOK };
        let profile = plan.profile.clone();
        let shared = Arc::new(Shared {
            cell: built,
            plan,
            ground: Ground::again(Pins::again(&words.pins)),
            idle: Duration::from_millis(words.idle_millis),
            used: Mutex::new(Instant::now()),
            alone,
            desk: Desk::default(),
        });
        let held = again.into_iter().map(|(run, again)| {
            let turn = shared.alone.as_ref();
            let turn = turn.and_then(|alone| Arc::clone(alone).try_acquire_owned().ok());
            (run, self.held(Arc::clone(&shared), turn), again)
        });
        let held = held.collect();
        if let Some(session) = words.session {
            let cell::Session { client, project, session } = session;
            let key = (SessionKey { user, client, project, session }, purpose, profile);
            let slot = Arc::clone(self.lock().sessions.entry(key).or_default());
            let mut slot = slot.lock().await;
            // A session has one of each kind: of two, one ends with its runs.
            if slot.is_none() {
                *slot = Some(shared);
            } else {
                drop(slot);
                self.let_go(Some(shared));
            }
        } else {
            self.let_go(Some(shared));
        }
        Ok(held)
    }
}

/// Runs by the cell that they are in.
pub type ByCell = HashMap<CellId, Vec<(RunId, Phase, Arc<KeptRun>)>>;
