//! Caps the gateway's grant: profile ∩ grant ∩ ceiling.
//!
//! Pure. What comes out is never above the ceiling, whatever goes in; a
//! property test holds it to that. What cannot be narrowed (another profile,
//! another workspace) is a denial that names the ceiling's rule.

use std::collections::BTreeSet;
use std::path::Path;

use cofferdam_ceiling::Ceiling;
use cofferdam_plan::{AbsolutePath, Layer, LayerSet};
use cofferdam_profile::trees::intersection;
use cofferdam_profile::{Profile, Profiles, Scratch, Tree};
use cofferdam_proto::intent::v1::{Grant, Limits, WorkspaceAccess};

mod limits;
mod network;

pub use limits::{CappedLimits, Crowd, LimitError};
pub use network::{CappedNetwork, NetworkError};

/// Programs that a grant may name.
const MAX_PROGRAMS: usize = 256;

/// What a call may have on this host. Only [`cap`] makes one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Capped {
    /// The profile it comes from.
    pub profile: Profile,
    /// The workspace.
    pub workspace: AbsolutePath,
    /// The workspace may be changed.
    pub write: bool,
    /// Programs in the workspace may be executed.
    pub execute: bool,
    /// What is mounted.
    pub show: Vec<Tree>,
    /// What may be read.
    pub read: Vec<Tree>,
    /// Where links of those may lead: the ceiling's view.
    pub view_bound: Vec<Tree>,
    /// What may be executed.
    pub programs: Vec<Tree>,
    /// Where helpers of those programs may come from: profile ∩ ceiling.
    pub program_bound: Vec<Tree>,
    /// What the ceiling lets anybody execute: the file worker is among it.
    pub executable: Vec<Tree>,
    /// Private writable places.
    pub scratch: Vec<Scratch>,
    /// The network.
    pub network: CappedNetwork,
    /// Limits.
    pub limits: CappedLimits,
    /// How many at the same time.
    pub crowd: Crowd,
    /// A profile of this host that may execute what was made in a workspace, if
    /// the ceiling allows one.
    pub building: Option<String>,
    /// Layers that may be missing or weaker, which outcomes then say; of every
    /// other a lack is a refusal.
    pub may_lack: LayerSet,
    /// Layers that the grant wants, whatever profile and ceiling let be missing.
    pub required: BTreeSet<Layer>,
}

/// Why a grant comes to nothing on this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapError {
    /// The profile is not known here.
    #[error("this host has no profile `{name}`; it has {known}")]
    UnknownProfile {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The grant wants a layer that there is not.
    #[error(
        "the rules want the layer `{0}` of this host, and its agent knows no such layer; a newer \
         agent may"
    )]
    Layer(String),
    /// The ceiling does not allow the profile.
    #[error(
        "the profile `{0}` is not allowed on this host; its owner would add it to `profiles.allow` \
         of the ceiling"
    )]
    Profile(String),
    /// The workspace is not a path.
    #[error("the workspace `{path}` cannot be one: {problem}")]
    WorkspacePath {
        /// What was asked for.
        path: String,
        /// Why not.
        problem: cofferdam_plan::PathError,
    },
    /// The ceiling does not allow the workspace.
    #[error(
        "the workspace `{path}` is not allowed on this host; it must be {roots} or lie beneath, or \
         the host's owner adds it to `workspaces.roots` of the ceiling"
    )]
    Workspace {
        /// What was asked for.
        path: AbsolutePath,
        /// What is allowed.
        roots: String,
    },
    /// The grant does not say whether the workspace may be changed.
    #[error("the grant says neither read nor write")]
    Access,
    /// The action writes and the grant only reads.
    #[error("the workspace is read-only for this call, as {0} says")]
    ReadOnly(&'static str),
    /// A program of the grant is no path.
    #[error("the grant's program `{0}` is not an absolute path without `.`, `..` or `//`")]
    Program(String),
    /// The grant names too many programs.
    #[error("the grant names {0} programs; at most {MAX_PROGRAMS} are taken: name directories")]
    TooManyPrograms(usize),
    /// None of the grant's programs is allowed.
    #[error(
        "none of the grant's programs may be executed on this host; its owner would add them to \
         `programs.execute` of the ceiling"
    )]
    NoProgram,
    /// A limit leaves nothing.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A destination of the grant means nothing.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl CapError {
    /// The ceiling's key that decided; empty where it was not the ceiling.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Profile(_) => "ceiling.profiles.allow",
            Self::Workspace { .. } => "ceiling.workspaces.roots",
            Self::NoProgram => "ceiling.programs.execute",
            Self::Limit(error) => error.rule(),
            Self::UnknownProfile { .. }
            | Self::WorkspacePath { .. }
            | Self::Access
            | Self::Layer(_)
            | Self::ReadOnly(_)
            | Self::Program(_)
            | Self::TooManyPrograms(_)
            | Self::Network(_) => "",
        }
    }
}

/// Whether an action changes files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// It may come with less.
    Whatever,
    /// It reads, and gets no more than that.
    Read,
    /// It is meaningless without writing.
    Write,
}

/// Caps `grant`.
///
/// # Errors
/// See [`CapError`].
pub fn cap(
    grant: Grant,
    need: Need,
    profiles: &Profiles,
    ceiling: &Ceiling,
) -> Result<Capped, CapError> {
    let Grant { profile, workspace, workspace_access, programs, limits, network, required_layers } =
        grant;
    let required = required_layers.iter().map(|name| layer(name)).collect::<Result<_, _>>()?;
    let profile = find_profile(&profile, profiles, ceiling)?;
    let workspace = find_workspace(&workspace, ceiling)?;
    let write = access(workspace_access, need, profile)?;
    let roots = |roots: &[cofferdam_ceiling::RootPath]| {
        roots.iter().map(|root| Tree::beneath(root.as_path())).collect::<Vec<_>>()
    };
    let (view, executable) = (roots(&ceiling.view.read), roots(&ceiling.programs.execute));
    let program_bound = intersection(&profile.executable(), &executable);
    let granted = granted_programs(&programs)?;
    let programs = match granted {
        None => program_bound.clone(),
        Some(granted) => {
            let programs = intersection(&granted, &program_bound);
            if programs.is_empty() {
                return Err(CapError::NoProgram);
            }
            programs
        }
    };
    let execute = profile.execute && ceiling.workspaces.allow_execute;
    Ok(Capped {
        workspace,
        write,
        execute,
        show: intersection(&profile.show, &view),
        read: intersection(&profile.readable(), &view),
        view_bound: view,
        programs,
        program_bound,
        executable,
        scratch: limits::scratch(&profile.scratch, &ceiling.limits, execute)?,
        network: network::cap(&network, profile, &ceiling.network)?,
        limits: limits::cap(&limits.unwrap_or_default(), &profile.limits, &ceiling.limits)?,
        crowd: Crowd::of(&ceiling.limits),
        may_lack: may_lack(profile, ceiling, &required),
        required,
        building: building(profiles, ceiling),
        profile: profile.clone(),
    })
}

/// What the profile lets be missing, the ceiling lets be missing at all, and the
/// grant does not want.
fn may_lack(profile: &Profile, ceiling: &Ceiling, required: &BTreeSet<Layer>) -> LayerSet {
    if ceiling.enforcement.allow_degraded {
        profile.may_lack.difference(required).copied().collect()
    } else {
        LayerSet::NONE
    }
}

/// A layer that this agent does not know is one that it cannot hold.
fn layer(name: &str) -> Result<Layer, CapError> {
    let known = Layer::ALL.into_iter().find(|layer| layer.name() == name);
    known.ok_or_else(|| CapError::Layer(name.chars().take(64).collect()))
}

fn building(profiles: &Profiles, ceiling: &Ceiling) -> Option<String> {
    let allowed = |it: &&Profile| it.execute && ceiling.profiles.allow.contains(&it.name);
    let building = profiles.iter().filter(|_| ceiling.workspaces.allow_execute).find(allowed);
    building.map(|profile| profile.name.clone())
}

fn find_profile<'a>(
    name: &str,
    profiles: &'a Profiles,
    ceiling: &Ceiling,
) -> Result<&'a Profile, CapError> {
    let shown: String = name.chars().take(64).collect();
    let Some(profile) = profiles.get(name) else {
        let known = profiles.names().collect::<Vec<_>>().join(", ");
        return Err(CapError::UnknownProfile { name: shown, known });
    };
    if !ceiling.profiles.allow.iter().any(|allowed| allowed == name) {
        return Err(CapError::Profile(shown));
    }
    Ok(profile)
}

fn find_workspace(text: &str, ceiling: &Ceiling) -> Result<AbsolutePath, CapError> {
    let path = AbsolutePath::new(text).map_err(|problem| CapError::WorkspacePath {
        path: text.chars().take(256).collect(),
        problem,
    })?;
    let roots = &ceiling.workspaces.roots;
    if !cofferdam_ceiling::covers(roots, path.as_path()) {
        let roots: Vec<_> = roots.iter().map(|r| format!("`{}`", r.as_path().display())).collect();
        return Err(CapError::Workspace { path, roots: roots.join(", ") });
    }
    Ok(path)
}

fn access(granted: i32, need: Need, profile: &Profile) -> Result<bool, CapError> {
    let granted = match WorkspaceAccess::try_from(granted) {
        Ok(WorkspaceAccess::Write) => true,
        Ok(WorkspaceAccess::Read) => false,
        Ok(WorkspaceAccess::Unspecified) | Err(_) => return Err(CapError::Access),
    };
    match need {
        Need::Read => Ok(false),
        Need::Write if !granted => Err(CapError::ReadOnly("the grant")),
        Need::Write if !profile.write => Err(CapError::ReadOnly("the profile")),
        Need::Write | Need::Whatever => Ok(granted && profile.write),
    }
}

/// The grant's programs; `None` where it leaves them to the profile.
fn granted_programs(texts: &[String]) -> Result<Option<Vec<Tree>>, CapError> {
    match texts.len() {
        0 => return Ok(None),
        1..=MAX_PROGRAMS => {}
        many => return Err(CapError::TooManyPrograms(many)),
    }
    let parse = |text: &String| {
        Tree::parse(text).ok_or_else(|| CapError::Program(text.chars().take(256).collect()))
    };
    texts.iter().map(parse).collect::<Result<_, _>>().map(Some)
}

impl Capped {
    /// Whether `path` lies in the workspace or in a scratch place: the cell itself
    /// may have written what is there.
    #[must_use]
    pub fn is_own_place(&self, path: &Path) -> bool {
        let scratch = self.scratch.iter().map(|place| place.path.as_path());
        scratch.chain([self.workspace.as_path()]).any(|place| path.starts_with(place))
    }

    /// The grant as it was capped, for the journal.
    #[must_use]
    pub fn grant(&self) -> Grant {
        let access = if self.write { WorkspaceAccess::Write } else { WorkspaceAccess::Read };
        let limits = &self.limits;
        Grant {
            profile: self.profile.name.clone(),
            workspace: self.workspace.to_string(),
            workspace_access: access.into(),
            programs: self.programs.iter().map(ToString::to_string).collect(),
            limits: Some(Limits {
                memory_bytes: limits.memory_bytes,
                processes: limits.processes,
                cpu_millis: limits.cpu_millis,
                wall_millis: limits.wall_millis,
                output_bytes: limits.output_bytes,
                file_size_bytes: limits.file_size_bytes,
                open_files: limits.open_files,
            }),
            network: self.network.on_wire(),
            required_layers: self.required.iter().map(|it| it.name().to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
