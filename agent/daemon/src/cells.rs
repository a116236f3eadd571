//! The cells of this agent, and whose they are.
//!
//! A session keeps a cell for each of its profiles while it is used; a call of
//! its own has one that dies with it. A stock of prepared cells, each like one
//! that was asked for lately, makes fresh ones fast. A cell from the stock
//! served nobody before, and serves one session or call only.
//!
//! A kept cell is used again only for exactly its plan: another ceiling,
//! profile or view means another cell, and the old one ends with its last run. So
//! does a file of the host that was replaced by another one of its name.
//!
//! A cell that is to keep paths of its workspace as they are relies on their
//! being there ([`crate::places`]).

mod again;
mod built;
mod claim;
mod ending;
mod errands;
mod footing;
mod held;
mod site;
mod stock;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_plan::cell::bounds;
use cofferdam_plan::{Access, CellId, CellPlan, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::cap::Capped;
use crate::cell::{BuildError, Cell};
use crate::disks::Disk;
use crate::places::Places;
use crate::planner::label;
use crate::programs::Programs;
use crate::registry::User;
use crate::restart::store::Store;
use crate::warden::{Warden, WardenError};
use crate::worker::resident::Desk;

pub use again::{ByCell, Resumed};
use built::Built;
use claim::{Claim, Claims};
pub use errands::ErrandError;
pub use footing::Footing;
use footing::Ground;
pub use held::Held;
use held::weaker;
use site::Site;
use stock::Spare;

/// What a cell is for whose only run is the file worker: `Wanted::purpose`.
pub const READ_FILES: &str = "read files";
/// The same, where it may write.
pub const WRITE_FILES: &str = "write files";

/// How long a new cell waits for others to end where the ceiling allows no more
/// of them, counted from the last one that made room: whoever else waits may have
/// had that.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a cell is asked for anew of a warden that was started anew.
const AGAIN_ANEW: usize = 3;
/// How often it tries meanwhile.
const AGAIN: Duration = Duration::from_millis(20);
/// A caller's working context: who, where, in which of his sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The user, as a gateway names them.
    pub user: User,
    /// The client program, as it calls itself.
    pub client: String,
    /// The project.
    pub project: String,
    /// The session, as the gateway names it; empty: the one that every caller
    /// has in a project.
    pub session: String,
}

/// Which cell is wanted.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Whose it counts as.
    pub user: User,
    /// Whose; `None` for a cell that dies with the call.
    pub session: Option<SessionKey>,
    /// What it is for, beside other cells of the session.
    pub purpose: &'static str,
    /// How it is built: without a name, and nobody's.
    pub plan: Arc<CellPlan>,
    /// Who asks, for the warden's log.
    pub subject: String,
    /// What its rules stand for.
    pub footing: Footing,
    /// What the plan was made from: what it protects is held before it is built.
    pub capped: &'a Capped,
    /// How long it stays without a call.
    pub idle: Duration,
}

/// All of them.
#[derive(Debug)]
pub struct Cells {
    warden: Arc<Warden>,
    store: Store,
    kept: Mutex<Kept>,
    /// How many each user has.
    claims: Claims,
    /// Prepared cells at most.
    stock: usize,
    /// The placeholders that cells rely on.
    places: Places,
    /// For errands of the agent's own: what the file worker needs,
    programs: Arc<Programs>,
    /// where it is,
    worker: PathBuf,
    /// and how its cell calls its host.
    hostname: String,
}

/// What the cells of an agent are made with.
#[derive(Debug)]
pub struct Material {
    /// The warden that builds them.
    pub warden: Arc<Warden>,
    /// Where those are that outlive this process.
    pub store: Store,
    /// Prepared cells at most.
    pub stock: usize,
    /// The placeholders that cells rely on.
    pub places: Places,
    /// What programs need.
    pub programs: Arc<Programs>,
    /// The file worker.
    pub worker: PathBuf,
    /// This host's name.
    pub hostname: String,
}

#[derive(Debug, Default)]
struct Kept {
    sessions: HashMap<(SessionKey, &'static str, String), Arc<Slot>>,
    stock: Vec<Spare>,
    /// Plans for which a prepared cell is being built.
    coming: Vec<Arc<CellPlan>>,
    stopping: bool,
}

/// Where a session's cell is, or is being built: one at a time.
type Slot = tokio::sync::Mutex<Option<Arc<Shared>>>;

/// A cell that calls share.
#[derive(Debug)]
struct Shared {
    cell: Built,
    plan: Arc<CellPlan>,
    ground: Ground,
    idle: Duration,
    used: Mutex<Instant>,
    /// One run at a time, where the cell has no cgroup to tell runs apart. A file
    /// worker is one run, whatever it is asked.
    alone: Option<Arc<Semaphore>>,
    /// Its file worker, if it is there for one.
    desk: Desk,
}

impl Cells {
    /// None yet.
    #[must_use]
    pub fn new(material: Material) -> Self {
        let Material { warden, store, stock, places, programs, worker, hostname } = material;
        let (kept, claims) = (Mutex::default(), Claims::default());
        Self { warden, store, kept, claims, stock, places, programs, worker, hostname }
    }

    /// The placeholders that they rely on.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The warden that builds them.
    #[must_use]
    pub fn warden(&self) -> &Arc<Warden> {
        &self.warden
    }

    /// The session's cell, or a fresh one.
    ///
    /// # Errors
    /// Where none can be built, or the grant wants a layer of it that is weaker than
    /// it should be.
    pub async fn hold(self: &Arc<Self>, wanted: Wanted<'_>) -> Result<Held, BuildError> {
        let required = &wanted.capped.required;
        let held = self.hold_any(wanted).await?;
        match weaker(held.layers(), required) {
            None => Ok(held),
            Some(error) => Err(error),
        }
    }

    /// The same, whatever its layers are.
    async fn hold_any(self: &Arc<Self>, wanted: Wanted<'_>) -> Result<Held, BuildError> {
        let Some(session) = wanted.session.clone() else {
            return self.fresh(wanted).await.map(|shared| self.held(shared, None));
        };
        let key = (session, wanted.purpose, wanted.plan.profile.clone());
        let slot = Arc::clone(self.lock().sessions.entry(key).or_default());
        let mut slot = slot.lock().await;
        if let Some(shared) = slot.as_ref().filter(|shared| shared.is_usable_for(&wanted)) {
            let turn = shared.alone.as_ref().map(|alone| Arc::clone(alone).try_acquire_owned());
            match turn.transpose() {
                Ok(turn) => return Ok(self.held(Arc::clone(shared), turn)),
                // Its only run goes on: this call has a cell of its own.
                Err(_) => return self.fresh(wanted).await.map(|shared| self.held(shared, None)),
            }
        }
        let old = slot.take();
        self.let_go(old);
        let shared = self.fresh(wanted).await?;
        let turn = shared.alone.as_ref().and_then(|it| Arc::clone(it).try_acquire_owned().ok());
        *slot = Some(Arc::clone(&shared));
        Ok(self.held(shared, turn))
    }

    fn held(&self, shared: Arc<Shared>, turn: Option<OwnedSemaphorePermit>) -> Held {
        shared.touch();
        Held { shared: Some(shared), warden: Arc::clone(&self.warden), _turn: turn }
    }

    /// A cell that nobody had before.
    async fn fresh(self: &Arc<Self>, wanted: Wanted<'_>) -> Result<Arc<Shared>, BuildError> {
        let Wanted { user, session, purpose, plan, subject, footing, capped, idle } = wanted;
        let claim = Some(self.claim(&user, capped.crowd.cells_per_user).await?);
        let cell = if let Some(cell) = self.take_prepared(&plan, &footing.cell) {
            Built { claim, ..cell }
        } else {
            let places = self.rely(capped).await;
            let disk = disk_of(&plan);
            let site = Site::of(&plan);
            Built { cell: self.build(&plan, &subject).await?, places, disk, site, claim }
        };
        self.prepare(&plan, &footing.cell, capped);
        let for_files = [READ_FILES, WRITE_FILES].contains(&purpose);
        let alone = cell.cgroup().is_empty() && !for_files;
        let alone = alone.then(|| Arc::new(Semaphore::new(1)));
        let used = Mutex::new(Instant::now());
        let (ground, desk) = (Ground::of(&footing), Desk::default());
        let shared = Shared { cell, plan, ground, idle, used, alone, desk };
        if !for_files {
            self.keep(&shared, session.as_ref(), &user, purpose);
        }
        Ok(Arc::new(shared))
    }

    /// One more cell for the user; where the ceiling allows them no more, an idle one
    /// of theirs makes room.
    async fn claim(&self, user: &User, most: Option<u32>) -> Result<Claim, BuildError> {
        let mut since = Instant::now();
        loop {
            if let Some(claim) = self.claims.take(user, most) {
                return Ok(claim);
            }
            if since.elapsed() >= PATIENCE {
                return Err(BuildError::TooMany(most.unwrap_or_default()));
            }
            if self.end_idle(|session| session.user == *user).await {
                since = Instant::now();
            } else {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Builds a cell; where the ceiling allows no more, an idle one makes room.
    async fn build(&self, plan: &CellPlan, subject: &str) -> Result<Cell, BuildError> {
        let mut since = Instant::now();
        let mut again = 0..AGAIN_ANEW;
        loop {
            match Cell::build(&self.warden, complete(plan, subject)?).await {
                // The warden was started anew: what it began is over, and did nothing yet.
                Err(
                    BuildError::Warden(WardenError::Gone | WardenError::Channel(_))
                    | BuildError::Vanished,
                ) if again.next().is_some() => {}
                Err(BuildError::Warden(WardenError::Refused {
                    refusal: Refusal::Exhausted,
                    ..
                })) if since.elapsed() < PATIENCE => {
                    if self.make_room().await {
                        since = Instant::now();
                    } else {
                        tokio::time::sleep(AGAIN).await;
                    }
                }
                built => return built,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn is_usable_for(&self, wanted: &Wanted<'_>) -> bool {
        let Wanted { plan, footing, .. } = wanted;
        let same = Arc::ptr_eq(&self.plan, plan) || self.plan == *plan;
        !self.is_over() && same && self.ground.bears(footing)
    }

    fn is_idle(self: &Arc<Self>) -> bool {
        let idle = self.is_over() || self.used().elapsed() >= self.idle;
        idle && Arc::strong_count(self) == 1
    }

    fn is_over(&self) -> bool {
        !self.cell.is_there()
    }

    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// The disk that a cell of this plan could fill.
fn disk_of(plan: &CellPlan) -> Option<Disk> {
    let CellPlan { workspace, .. } = plan;
    (workspace.access == Access::Write).then(|| Disk::of(workspace.path.as_path()))
}

/// The plan with what is only known when the cell is built: its name, who asks, the
/// disk that its workspace is on, and the host's sockets in there, which no run is
/// to reach.
fn complete(plan: &CellPlan, subject: &str) -> Result<CellPlan, BuildError> {
    let mut plan = plan.clone();
    plan.cell = CellId(uuid::Uuid::new_v4().into_bytes());
    plan.subject = label(subject);
    let workspace = &mut plan.workspace;
    if plan.limits.io_bytes > 0 {
        plan.limits.io_device = crate::disks::of(workspace.path.as_path());
    }
    workspace.sockets =
        crate::sockets::beneath(workspace.path.as_path()).map_err(BuildError::SocketsUnseen)?;
    if workspace.sockets.len() > bounds::SOCKETS {
        return Err(BuildError::Sockets(workspace.sockets.len()));
    }
    Ok(plan)
}
