//! Protected paths of workspaces that are not there: who relies on their
//! placeholders, and what became of the paths meanwhile.
//!
//! A mount covers only what exists. Before a cell is built whose profile protects
//! something of a workspace that it may change, the file worker makes what is
//! missing ([`crate::cells`] sends it); cells of one workspace share that. When
//! the last of them is gone, the worker removes it again. The [`ledger`] names
//! every placeholder before it is made, so that the next agent removes what a
//! killed one left.
//!
//! What cannot be held is never silent: [`Reliance::layer`] is in the outcome of
//! every run of the cell.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cofferdam_plan::AbsolutePath;
use cofferdam_proto::file::v1::{PlacesHeld, PlacesHold, PlacesRelease, PlacesReleased};
use tokio::sync::{Notify, OwnedMutexGuard};

use crate::cap::Capped;
use crate::clock::timestamp;
use crate::restart::cell::Protected;

pub mod ledger;
mod look;
mod reliance;

use ledger::{Entry, Ledger};
use look::Look;

pub use reliance::Reliance;

/// Paths of what appeared that are kept for the next outcome.
const UNTOLD: usize = 64;

/// All workspaces with placeholders.
#[derive(Debug)]
pub struct Places {
    ledger: Ledger,
    workspaces: Mutex<HashMap<AbsolutePath, Arc<Workspace>>>,
    freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Workspace {
    /// Held while placeholders are made or removed.
    state: Arc<tokio::sync::Mutex<State>>,
    /// What appeared at protected paths, for the next outcome.
    untold: Arc<Mutex<BTreeSet<String>>>,
}

/// What is known of a workspace.
#[derive(Debug, Default)]
struct State {
    /// Where to find out how to remove what was made; `None`: nobody has relied
    /// on it since it was looked after.
    entry: Option<Entry>,
    /// Each path that was asked for, and why it is not held; empty: it is.
    known: BTreeMap<String, Standing>,
    /// One more than there are cells that rely on it.
    alive: Arc<()>,
}

/// How a protected path stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// It is there, ours or not: a cell that is built now covers it.
    There,
    /// The directory that it would lie in is not there.
    Homeless,
    /// It could not be made.
    Failed(String),
}

/// A workspace whose placeholders are being made, by one at a time.
#[derive(Debug)]
pub struct Holding {
    state: OwnedMutexGuard<State>,
    capped: Asked,
    wanted: Vec<String>,
    untold: Arc<Mutex<BTreeSet<String>>>,
}

/// What of a capped grant it is about.
#[derive(Debug)]
struct Asked {
    workspace: AbsolutePath,
    profile: String,
    paths: Vec<String>,
}

/// A workspace that no cell relies on any more.
#[derive(Debug)]
pub struct Idle {
    state: OwnedMutexGuard<State>,
    untold: Arc<Mutex<BTreeSet<String>>>,
    /// Which.
    pub workspace: AbsolutePath,
}

impl Places {
    /// With what the ledger says that an earlier agent left.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        let left = ledger.entries().into_iter().map(|(workspace, entry)| {
            let state = State { entry: Some(entry), ..State::default() };
            let state = Arc::new(tokio::sync::Mutex::new(state));
            (workspace, Arc::new(Workspace { state, untold: Arc::default() }))
        });
        let workspaces = Mutex::new(left.collect());
        Self { ledger, workspaces, freed: Arc::default() }
    }

    /// Begins to hold what `capped` protects; `None` where it protects nothing
    /// that could be changed.
    pub async fn begin(&self, capped: &Capped) -> Option<Holding> {
        let paths = &capped.profile.protect;
        if !capped.write || paths.is_empty() {
            return None;
        }
        let asked = Asked {
            workspace: capped.workspace.clone(),
            profile: capped.profile.name.clone(),
            paths: paths.iter().map(ToString::to_string).collect(),
        };
        let workspace = self.workspace(&asked.workspace);
        let mut state = Arc::clone(&workspace.state).lock_owned().await;
        match look::at(&asked.workspace, &asked.paths).await {
            Some(looks) => {
                for (path, look) in looks {
                    match look {
                        Look::There(..) => state.known.insert(path, Standing::There),
                        Look::Homeless => state.known.insert(path, Standing::Homeless),
                        Look::Missing => state.known.remove(&path),
                    };
                }
            }
            // The agent may not look there; what the worker said last counts. What
            // could not be made is tried again.
            None => state.known.retain(|_, it| !matches!(it, Standing::Failed(_))),
        }
        let unknown = |path: &&String| !state.known.contains_key(*path);
        let wanted = asked.paths.iter().filter(unknown).cloned().collect();
        let untold = Arc::clone(&workspace.untold);
        Some(Holding { state, capped: asked, wanted, untold })
    }

    /// Notes what may be made, and gives what to ask the worker for; nothing
    /// where all is there.
    pub fn note(&self, holding: &mut Holding) -> Option<PlacesHold> {
        let Holding { state, capped, wanted, .. } = holding;
        let since = SystemTime::now();
        let entry = state.entry.get_or_insert_with(|| Entry::new(&capped.profile, since));
        if wanted.is_empty() {
            return None;
        }
        let mut noted = entry.clone();
        noted.made.extend(wanted.iter().cloned());
        if let Err(error) = self.ledger.set(&capped.workspace, Some(noted)) {
            let why = format!("it cannot be noted: {error}");
            let failed = |path: &String| (path.clone(), Standing::Failed(why.clone()));
            state.known.extend(wanted.iter().map(failed));
            return None;
        }
        let paths = wanted.iter().map(|path| path.clone().into_bytes()).collect();
        Some(PlacesHold { paths })
    }

    /// Takes what the worker said, or why it said nothing.
    pub fn held(&self, holding: &mut Holding, answer: Result<PlacesHeld, String>) {
        let Holding { state, capped, wanted, .. } = holding;
        let State { entry: Some(entry), known, .. } = &mut **state else { return };
        match answer {
            Ok(PlacesHeld { made, homeless, failed }) => {
                let asked = |path: &Vec<u8>| wanted.iter().find(|it| it.as_bytes() == path);
                let there = wanted.iter().map(|path| (path.clone(), Standing::There));
                known.extend(there);
                let homeless = homeless.iter().filter_map(asked);
                known.extend(homeless.map(|path| (path.clone(), Standing::Homeless)));
                let failed = failed.iter().filter_map(|it| asked(&it.path).zip(Some(&it.message)));
                known.extend(
                    failed.map(|(path, why)| (path.clone(), Standing::Failed(why.clone()))),
                );
                entry.made.extend(made.iter().filter_map(asked).cloned());
                // Where that fails, it names more than there is: that is no harm.
                drop(self.ledger.set(&capped.workspace, Some(entry.clone())));
            }
            Err(why) => {
                // It may have made some before it failed.
                entry.made.extend(wanted.iter().cloned());
                let failed = |path: &String| (path.clone(), Standing::Failed(why.clone()));
                known.extend(wanted.iter().map(failed));
            }
        }
    }

    /// The cell that is about to be built relies on what is held.
    pub async fn rely(&self, holding: Holding) -> Reliance {
        let Holding { state, capped, wanted: _, untold } = holding;
        let Asked { workspace, profile: _, paths } = capped;
        let looks = look::at(&workspace, &paths).await.unwrap_or_default();
        let standing = paths.into_iter().filter_map(|path| {
            let standing = state.known.get(&path)?.clone();
            Some((path, standing))
        });
        Reliance {
            standing: standing.collect(),
            looks: looks.into_iter().collect(),
            alive: Some(Arc::clone(&state.alive)),
            freed: Arc::clone(&self.freed),
            workspace,
            untold,
        }
    }

    /// A cell that an earlier process built relies on them still, as its log says.
    pub async fn rely_again(
        &self,
        workspace: &AbsolutePath,
        profile: &str,
        since: SystemTime,
        kept: Vec<Protected>,
    ) -> Reliance {
        let place = self.workspace(workspace);
        let mut state = Arc::clone(&place.state).lock_owned().await;
        state.entry.get_or_insert_with(|| Entry::new(profile, since));
        let mut reliance = Reliance {
            standing: BTreeMap::new(),
            looks: BTreeMap::new(),
            alive: Some(Arc::clone(&state.alive)),
            freed: Arc::clone(&self.freed),
            workspace: workspace.clone(),
            untold: Arc::clone(&place.untold),
        };
        reliance.recall(kept);
        reliance
    }

    /// Waits until a cell that relied on placeholders is gone.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Workspaces that no cell relies on, and that are still to be looked after.
    #[must_use]
    pub fn idle(&self) -> Vec<Idle> {
        let all: Vec<_> = self.lock().iter().map(|(p, w)| (p.clone(), Arc::clone(w))).collect();
        let idle = all.into_iter().filter_map(|(path, workspace)| {
            let state = Arc::clone(&workspace.state).try_lock_owned().ok()?;
            let idle = state.entry.is_some() && Arc::strong_count(&state.alive) == 1;
            let untold = Arc::clone(&workspace.untold);
            idle.then_some(Idle { state, untold, workspace: path })
        });
        idle.collect()
    }

    /// Whether there is nothing left to remove.
    #[must_use]
    pub fn is_tidy(&self) -> bool {
        let workspaces = self.lock();
        let tidy = |workspace: &Arc<Workspace>| {
            workspace.state.try_lock().is_ok_and(|state| state.entry.is_none())
        };
        workspaces.values().all(tidy)
    }

    /// Takes what the worker said when it removed them, and forgets the workspace.
    pub fn released(&self, idle: Idle, answer: &PlacesReleased) {
        let Idle { mut state, untold, workspace } = idle;
        let PlacesReleased { kept: _, failed, appeared, truncated } = answer;
        let covered = |path: &String| state.known.get(path) == Some(&Standing::There);
        let appeared = appeared.iter().map(|path| String::from_utf8_lossy(path).into_owned());
        let appeared = appeared.filter(|path| !covered(path));
        // A name can hold what a terminal takes for orders.
        let appeared: Vec<_> = appeared.map(|path| path.escape_debug().to_string()).collect();
        if !appeared.is_empty() {
            let paths = appeared.join(", ");
            tracing::warn!(%workspace, paths, truncated, "made or changed at protected paths that nothing covered");
            let mut untold = untold.lock().unwrap_or_else(PoisonError::into_inner);
            untold.extend(appeared);
            while untold.len() > UNTOLD {
                untold.pop_last();
            }
        }
        for fault in failed {
            let path = String::from_utf8_lossy(&fault.path);
            tracing::warn!(%workspace, %path, why = fault.message, "a placeholder stays");
        }
        state.entry = None;
        state.known.clear();
        if let Err(error) = self.ledger.set(&workspace, None) {
            tracing::warn!(%workspace, %error, "the list of placeholders cannot be written");
        }
    }

    fn workspace(&self, path: &AbsolutePath) -> Arc<Workspace> {
        let mut workspaces = self.lock();
        // Nobody uses those, and nothing is left of them to tell.
        workspaces.retain(|_, workspace| !workspace.is_forgotten());
        Arc::clone(workspaces.entry(path.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AbsolutePath, Arc<Workspace>>> {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workspace {
    fn is_forgotten(self: &Arc<Self>) -> bool {
        let told = self.untold.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        let unused = Arc::strong_count(self) == 1 && Arc::strong_count(&self.untold) == 1;
        told && unused && self.state.try_lock().is_ok_and(|state| state.entry.is_none())
    }
}

impl Idle {
    /// The profile that protects it.
    #[must_use]
    pub fn profile(&self) -> &str {
        self.state.entry.as_ref().map_or("", |entry| &entry.profile)
    }

    /// What to ask the worker for; `protected` as the profile says.
    #[must_use]
    pub fn request(&self, protected: &[cofferdam_profile::RelativePath]) -> PlacesRelease {
        let entry = self.state.entry.as_ref();
        let made = entry.into_iter().flat_map(|entry| &entry.made);
        PlacesRelease {
            paths: made.map(|path| path.clone().into_bytes()).collect(),
            protected: protected.iter().map(|path| path.as_str().into()).collect(),
            since: entry.map(|entry| timestamp(entry.since())),
        }
    }
}

/// Where the list lies: beside the journal's files, the one place that the agent
/// may write.
#[must_use]
pub fn ledger_in(journal: &Path) -> std::path::PathBuf {
    journal.join("placeholders.json")
}

#[cfg(test)]
mod tests;
