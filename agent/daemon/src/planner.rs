//! Plans: what a call may have, and facts about the host, become a cell plan
//! and a run plan.
//!
//! Pure. Whatever goes in, the plan stays below the ceiling that [`Capped`] was
//! made with: a property test compares them, and the warden compares again.

use std::path::{Path, PathBuf};

use cofferdam_plan::cell::bounds;
use cofferdam_plan::{
    AbsolutePath, Access, BindPlan, CellId, CellPlan, FilterDigest, LandlockPlan, Limits, LinkPlan,
    Network, Rights, ScratchPlan, WorkspacePlan,
};
use cofferdam_profile::Tree;
use cofferdam_profile::trees::{covers, intersection};
use cofferdam_programs::ResolveError;

use crate::cap::{Capped, CappedNetwork};
use crate::facts::{Facts, Found};

mod run;
mod survey;

pub use run::{Berth, Command, GRACE, plan_run};
pub use survey::Survey;

/// Links that programs expect in /dev. Nothing of the host is behind them.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// What a cell is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// A command of the caller's.
    Run,
    /// The file worker at this path, and nothing else.
    Files(&'a Path),
}

/// How a cell is called.
#[derive(Debug, Clone)]
pub struct Naming {
    /// Its name.
    pub cell: CellId,
    /// Who asks, for the warden's log.
    pub subject: String,
    /// What the cell calls its host.
    pub hostname: String,
}

impl Naming {
    /// Of a plan that any number of cells are built by: no name, and nobody's.
    #[must_use]
    pub fn of_host(hostname: &str) -> Self {
        Self { cell: CellId([0; 16]), subject: String::new(), hostname: hostname.to_owned() }
    }
}

/// Why there is no plan.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The profile names a filter that this build has not.
    #[error("no seccomp filter is named `{0}`")]
    Filter(String),
    /// More entries than a plan holds.
    #[error("profile and grant come to {count} {what}; a cell has at most {limit}")]
    TooMany {
        /// Entries of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The ceiling does not let cells have the file worker.
    #[error(
        "the file worker `{0}` is not beneath `view.read` and `programs.execute` of the ceiling, or is missing; add it there"
    )]
    Worker(PathBuf),
    /// The programs need more than can be looked at.
    #[error(transparent)]
    Programs(#[from] ResolveError),
}

/// Plans a cell.
///
/// # Errors
/// See [`PlanError`].
pub fn plan_cell(
    capped: &Capped,
    survey: &Survey,
    purpose: Purpose<'_>,
    naming: Naming,
) -> Result<CellPlan, PlanError> {
    let facts = survey.facts();
    let filter = cofferdam_filter::by_name(&capped.profile.filter)
        .ok_or_else(|| PlanError::Filter(capped.profile.filter.clone()))?;
    let binds = binds(capped, facts, purpose)?;
    let links = links(capped, facts, &binds);
    let landlock = landlock(capped, survey, purpose)?;
    bounded("bind mounts", binds.len(), bounds::BINDS)?;
    bounded("links", links.len(), bounds::LINKS)?;
    let Naming { cell, subject, hostname } = naming;
    let limits = &capped.limits;
    Ok(CellPlan {
        cell,
        subject: label(&subject),
        profile: capped.profile.name.clone(),
        hostname: host_label(&hostname),
        workspace: WorkspacePlan {
            path: capped.workspace.clone(),
            access: if capped.write { Access::Write } else { Access::Read },
            execute: capped.execute && purpose == Purpose::Run,
            protected: protected(capped),
            // Found when the cell is built.
            sockets: Vec::new(),
        },
        binds,
        links,
        scratch: capped.scratch.iter().map(|s| scratch(s, purpose)).collect(),
        home: capped.profile.home.clone(),
        landlock,
        // The proxy is reached on loopback.
        network: match (&capped.network, purpose) {
            (CappedNetwork::Host, Purpose::Run) => Network::Host,
            _ => Network::None,
        },
        filter: FilterDigest(filter.digest),
        limits: Limits {
            memory_bytes: limits.memory_bytes,
            swap_bytes: limits.swap_bytes,
            processes: limits.processes,
            cpu_millis: limits.cpu_millis,
            cpu_weight: limits.cpu_weight,
            io_bytes: limits.io_bytes_per_second,
            ..Limits::default()
        },
        may_lack: capped.may_lack,
    })
}

/// What of the workspace stays as it is, at its own place.
fn protected(capped: &Capped) -> Vec<AbsolutePath> {
    let workspace = capped.workspace.as_path();
    let paths = capped.profile.protect.iter();
    paths.filter_map(|path| absolute(&workspace.join(path.as_path()))).collect()
}

fn bounded(what: &'static str, count: usize, limit: usize) -> Result<(), PlanError> {
    if count > limit { Err(PlanError::TooMany { what, count, limit }) } else { Ok(()) }
}

fn scratch(place: &cofferdam_profile::Scratch, purpose: Purpose<'_>) -> ScratchPlan {
    ScratchPlan {
        path: place.path.clone(),
        bytes: place.bytes,
        execute: place.execute && purpose == Purpose::Run,
    }
}

/// What is mounted: every shown path that is there, under its real name.
fn binds(capped: &Capped, facts: &Facts, purpose: Purpose<'_>) -> Result<Vec<BindPlan>, PlanError> {
    let real = |tree: &Tree| facts.of(&tree.path).filter(|r| r.found != Found::Nothing);
    let mut paths: Vec<PathBuf> =
        capped.show.iter().filter_map(real).map(|r| r.real.clone()).collect();
    let worker = match purpose {
        Purpose::Files(worker) => Some(worker_path(capped, facts, worker)?),
        Purpose::Run => None,
    };
    paths.extend(worker.clone());
    paths.retain(|path| covers(&capped.view_bound, path));
    paths.sort();
    paths.dedup();
    // Libraries are mapped executable, whoever names the programs.
    let libraries = intersection(&capped.profile.libraries, &capped.executable);
    let executable = [&capped.program_bound[..], &libraries].concat();
    let mut binds: Vec<BindPlan> = Vec::new();
    for path in paths {
        // What lies beneath a bind is shown with it. Sorted: parents come first.
        let shown = binds.iter().any(|bind| path.starts_with(bind.path.as_path()));
        if let (false, Some(path)) = (shown, absolute(&path)) {
            let holds = |tree: &Tree| path_holds(path.as_path(), tree);
            let is_worker = worker.as_deref() == Some(path.as_path());
            let execute = is_worker || executable.iter().any(holds);
            binds.push(BindPlan { path, execute });
        }
    }
    Ok(binds)
}

/// Whether something under `path` may be a program of `tree`.
fn path_holds(path: &Path, tree: &Tree) -> bool {
    tree.covers(path) || tree.path.starts_with(path)
}

/// The worker's real path, if the ceiling lets cells have it.
fn worker_path(capped: &Capped, facts: &Facts, worker: &Path) -> Result<PathBuf, PlanError> {
    facts
        .of(worker)
        .filter(|resolved| resolved.found == Found::File)
        .map(|resolved| resolved.real.clone())
        .filter(|real| covers(&capped.view_bound, real) && covers(&capped.executable, real))
        .ok_or_else(|| PlanError::Worker(worker.to_owned()))
}

/// Links of the root and on the way to what is shown, where no bind brings them.
fn links(capped: &Capped, facts: &Facts, binds: &[BindPlan]) -> Vec<LinkPlan> {
    use std::os::unix::ffi::OsStrExt;
    let shown = capped.show.iter().filter_map(|tree| facts.of(&tree.path));
    let mut links: Vec<LinkPlan> = facts
        .root_links()
        .chain(shown.flat_map(|resolved| &resolved.links))
        .filter_map(|(path, target)| {
            let target = target.as_os_str().as_bytes().to_vec();
            absolute(path).map(|path| LinkPlan { path, target })
        })
        .filter(|link| {
            let workspace = capped.workspace.as_path();
            let places = capped.scratch.iter().map(|scratch| scratch.path.as_path());
            let covered = binds.iter().map(|bind| bind.path.as_path()).chain(places);
            !link.path.is_beneath(workspace)
                && !covered.into_iter().any(|c| link.path.is_beneath(c))
        })
        .collect();
    let link = |(path, target): (&str, &str)| {
        let path = absolute(Path::new(path))?;
        Some(LinkPlan { path, target: target.as_bytes().to_vec() })
    };
    links.extend(DEVICE_LINKS.into_iter().filter_map(link));
    links.sort_by(|a, b| a.path.cmp(&b.path));
    links.dedup();
    links
}

/// Landlock's rules, in the order of paths: what of the host the call may have,
/// and the cell's own places.
///
/// # Errors
/// Where they are more than a plan holds.
pub fn landlock(
    capped: &Capped,
    survey: &Survey,
    purpose: Purpose<'_>,
) -> Result<Vec<LandlockPlan>, PlanError> {
    let own = |write, execute| Rights { read: true, write, execute };
    let running = purpose == Purpose::Run;
    let mut rules = survey.rules().to_vec();
    let workspace = own(capped.write, capped.execute && running);
    rules.push(LandlockPlan { path: capped.workspace.clone(), rights: workspace });
    rules.extend(capped.scratch.iter().map(|place| LandlockPlan {
        path: place.path.clone(),
        rights: own(true, place.execute && running),
    }));
    rules.sort_by(|a, b| a.path.cmp(&b.path));
    bounded("Landlock rules", rules.len(), bounds::LANDLOCK)?;
    Ok(rules)
}

/// Whether a cell of these would let the program at `path` be executed.
#[must_use]
pub fn may_execute(capped: &Capped, survey: &Survey, path: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let real = crate::facts::resolve(Path::new(std::ffi::OsStr::from_bytes(path))).real;
    let in_workspace = capped.execute && real.starts_with(capped.workspace.as_path());
    in_workspace || survey.executes(&real)
}

fn absolute(path: &Path) -> Option<AbsolutePath> {
    use std::os::unix::ffi::OsStrExt;
    AbsolutePath::new(path.as_os_str().as_bytes()).ok()
}

/// Plain text of at most [`bounds::LABEL`] bytes.
#[must_use]
pub fn label(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    let mut label = String::new();
    for c in plain {
        if label.len() + c.len_utf8() > bounds::LABEL {
            break;
        }
        label.push(c);
    }
    label
}

/// Letters, digits and hyphens, 1 to 63.
fn host_label(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let label: String = name.chars().take(63).map(plain).collect();
    if label.is_empty() { "cell".to_owned() } else { label }
}

#[cfg(test)]
mod tests;
