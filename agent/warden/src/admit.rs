//! Admission: proves that a plan is below the host owner's ceiling.
//!
//! The ceiling is read anew for each plan, so that an edit counts at once. The
//! agent capped the grant already; it is not believed. `ARCHITECTURE.md` has a
//! table of every plan field with its check here.

use std::path::Path;

use cofferdam_ceiling::{Ceiling, covers};
use cofferdam_filter::Filter;
use cofferdam_plan::{
    AbsolutePath, Access, BindPlan, CellPlan, LandlockPlan, LayerSet, Network, WorkspacePlan,
};

/// A plan below the ceiling. Only [`admit`] makes one; only this is built.
#[derive(Debug)]
pub(crate) struct Admitted {
    plan: CellPlan,
    filter: &'static Filter,
    allow_root_owned: bool,
}

impl Admitted {
    pub(crate) const fn plan(&self) -> &CellPlan {
        &self.plan
    }
    /// The filter that the plan's digest names.
    pub(crate) const fn filter(&self) -> &'static Filter {
        self.filter
    }
    /// Whether the workspace may belong to root.
    pub(crate) const fn allow_root_owned(&self) -> bool {
        self.allow_root_owned
    }
}

/// What is above the ceiling, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AboveCeiling {
    #[error("profile `{0}` is not in `profiles.allow` of the ceiling")]
    Profile(String),
    #[error("the host name is not 1 to 63 letters, digits and hyphens")]
    Hostname,
    #[error("workspace `{0}` is not beneath `workspaces.roots` of the ceiling")]
    Workspace(AbsolutePath),
    #[error("workspace `{0}` may not execute: `workspaces.allow_execute` is off in the ceiling")]
    WorkspaceExecute(AbsolutePath),
    #[error("`{0}` is to be protected, but is not in the workspace")]
    Protected(AbsolutePath),
    #[error("`{0}` is not beneath `view.read` of the ceiling")]
    Bind(AbsolutePath),
    #[error("`{0}` is neither beneath `programs.execute` of the ceiling nor holds a part of it")]
    BindExecute(AbsolutePath),
    #[error("link or scratch place `{0}` lies inside the workspace or covers it")]
    OverWorkspace(AbsolutePath),
    #[error("home `{0}` is not one of the scratch places")]
    Home(AbsolutePath),
    #[error("`{0}` may not be executed: it is not beneath `programs.execute` of the ceiling")]
    Execute(AbsolutePath),
    #[error("`{0}` may not be written: it is neither the workspace nor a scratch place")]
    Write(AbsolutePath),
    #[error("the host's network is not allowed: `network.allow_host` is off in the ceiling")]
    Network,
    #[error("no filter has the plan's digest; agent and warden are of different builds")]
    Filter,
    #[error("{name} of {asked} is above the ceiling's {most}, or unlimited")]
    Limit { name: &'static str, asked: u64, most: u64 },
    #[error("all {0} cells (ceiling: `limits.cells`) are in use; try again when a run has ended")]
    Cells(u32),
    #[error("degraded cells are not allowed: `enforcement.allow_degraded` is off in the ceiling")]
    Degraded,
}

/// Checks every field of `plan` against `ceiling`, with `cells` already there.
pub(crate) fn admit(
    plan: CellPlan,
    ceiling: &Ceiling,
    cells: usize,
) -> Result<Admitted, AboveCeiling> {
    let most = ceiling.limits.cells;
    ensure(cells < most as usize, || AboveCeiling::Cells(most))?;
    let known = ceiling.profiles.allow.contains(&plan.profile);
    ensure(known, || AboveCeiling::Profile(plan.profile.clone()))?;
    ensure(is_hostname(&plan.hostname), || AboveCeiling::Hostname)?;
    let network = plan.network == Network::None || ceiling.network.allow_host;
    ensure(network, || AboveCeiling::Network)?;
    let whole = plan.may_lack == LayerSet::NONE || ceiling.enforcement.allow_degraded;
    ensure(whole, || AboveCeiling::Degraded)?;
    check_workspace(&plan, ceiling)?;
    check_view(&plan, ceiling)?;
    check_landlock(&plan, ceiling)?;
    check_limits(&plan, ceiling)?;
    let filter = cofferdam_filter::by_digest(&plan.filter.0).ok_or(AboveCeiling::Filter)?;
    Ok(Admitted { plan, filter, allow_root_owned: ceiling.workspaces.allow_root_owned })
}

fn ensure(holds: bool, or: impl FnOnce() -> AboveCeiling) -> Result<(), AboveCeiling> {
    if holds { Ok(()) } else { Err(or()) }
}

fn check_workspace(plan: &CellPlan, ceiling: &Ceiling) -> Result<(), AboveCeiling> {
    let WorkspacePlan { path: workspace, execute, protected, sockets, .. } = &plan.workspace;
    let (roots, may_execute) = (&ceiling.workspaces.roots, ceiling.workspaces.allow_execute);
    ensure(covers(roots, workspace.as_path()), || AboveCeiling::Workspace(workspace.clone()))?;
    ensure(may_execute || !execute, || AboveCeiling::WorkspaceExecute(workspace.clone()))?;
    protected.iter().chain(sockets).try_for_each(|path| {
        let within = path.is_beneath(workspace.as_path());
        ensure(within, || AboveCeiling::Protected(path.clone()))
    })
}

fn check_view(plan: &CellPlan, ceiling: &Ceiling) -> Result<(), AboveCeiling> {
    let programs = &ceiling.programs.execute;
    for BindPlan { path, execute } in &plan.binds {
        ensure(covers(&ceiling.view.read, path.as_path()), || AboveCeiling::Bind(path.clone()))?;
        // Mounted executable as a whole; Landlock then says which programs.
        let holds = || programs.iter().any(|root| root.as_path().starts_with(path.as_path()));
        let executable = !execute || covers(programs, path.as_path()) || holds();
        ensure(executable, || AboveCeiling::BindExecute(path.clone()))?;
    }
    let workspace = plan.workspace.path.as_path();
    let made = plan.links.iter().map(|l| &l.path).chain(plan.scratch.iter().map(|s| &s.path));
    for path in made {
        let beside = !path.is_beneath(workspace) && path.as_bytes() != b"/";
        ensure(beside, || AboveCeiling::OverWorkspace(path.clone()))?;
    }
    let home = plan.scratch.iter().any(|scratch| scratch.path == plan.home);
    ensure(home, || AboveCeiling::Home(plan.home.clone()))
}

fn check_landlock(plan: &CellPlan, ceiling: &Ceiling) -> Result<(), AboveCeiling> {
    let workspace = &plan.workspace;
    for LandlockPlan { path, rights } in &plan.landlock {
        let within = |root: &Path| path.is_beneath(root);
        let scratch = plan.scratch.iter().find(|scratch| within(scratch.path.as_path()));
        let in_workspace = within(workspace.path.as_path());
        // Also where a scratch place lies above the workspace.
        let may_change = workspace.access == Access::Write;
        let writable = if in_workspace { may_change } else { scratch.is_some() };
        ensure(writable || !rights.write, || AboveCeiling::Write(path.clone()))?;
        let executable = covers(&ceiling.programs.execute, path.as_path())
            || scratch.is_some_and(|scratch| scratch.execute)
            || (in_workspace && workspace.execute);
        ensure(executable || !rights.execute, || AboveCeiling::Execute(path.clone()))?;
    }
    // What a scratch place holds comes from the workspace: one permission for both.
    plan.scratch.iter().filter(|scratch| scratch.execute).try_for_each(|scratch| {
        let allowed = ceiling.workspaces.allow_execute;
        ensure(allowed, || AboveCeiling::Execute(scratch.path.clone()))
    })
}

fn check_limits(plan: &CellPlan, ceiling: &Ceiling) -> Result<(), AboveCeiling> {
    let (limits, most) = (&plan.limits, &ceiling.limits);
    let places = || plan.scratch.iter().map(|place| place.bytes);
    let scratch = places().fold(0, u64::saturating_add);
    let smallest = places().min().unwrap_or_default();
    // Those with a least must be limited at all: zero is «unlimited» in a plan, and
    // for a tmpfs what is less than a page.
    [
        ("memory", 1, limits.memory_bytes, most.memory.0),
        ("processes", 1, limits.processes.into(), most.processes.into()),
        ("cpu", 1, limits.cpu_millis.into(), most.cpu_millis.into()),
        ("swap", 0, limits.swap_bytes, most.swap.0),
        ("scratch space", 0, scratch, most.scratch.0),
        ("a scratch place", 4096, smallest, most.scratch.0),
    ]
    .into_iter()
    .try_for_each(|(name, least, asked, most)| {
        ensure((least..=most).contains(&asked), || AboveCeiling::Limit { name, asked, most })
    })
}

fn is_hostname(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests;
