//! What a selftest stands on: ceiling, profile, workspace, probe, and where the
//! warden is.

use std::path::{Path, PathBuf};

use cofferdam_ceiling::{Ceiling, LoadError};
use cofferdam_profile::{ProfileError, Profiles};
use cofferdam_proto::intent::v1::{Grant, WorkspaceAccess};

use super::Request;
use crate::cap::{CapError, Capped, Need, cap};
use crate::config::{Config, ConfigError};

/// What is preferred where the ceiling allows it.
const PROFILE: &str = "default";

/// Everything that was found and checked.
#[derive(Debug)]
pub(super) struct Ground {
    /// What cells may have.
    pub(super) capped: Capped,
    /// The ceiling lets cells lack a layer; those of the test may, and say which.
    pub(super) may_lack: bool,
    /// The probe's real path.
    pub(super) probe: PathBuf,
    /// The warden's socket.
    pub(super) warden: Option<PathBuf>,
    /// A workspace that was made for the test, to be removed.
    pub(super) made: Option<PathBuf>,
}

/// Why there is nothing to stand on.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// The configuration.
    #[error("{0}; name another by --config, or, where no agent is set up yet, say --spawn-warden")]
    Config(#[from] ConfigError),
    /// The ceiling.
    #[error(transparent)]
    Ceiling(#[from] LoadError),
    /// The profiles.
    #[error(transparent)]
    Profiles(#[from] ProfileError),
    /// Profile, ceiling and workspace do not come together.
    #[error("the ceiling allows no such cell: {0}")]
    Cap(#[from] CapError),
    /// What programs need is not known.
    #[error(transparent)]
    Programs(#[from] cofferdam_programs::RulesError),
    /// What cells may have cannot be planned.
    #[error(transparent)]
    Plan(#[from] crate::planner::PlanError),
    /// The ceiling allows nothing.
    #[error("the ceiling names no {0}; without one no cell can be had")]
    Empty(&'static str),
    /// The probe is not there.
    #[error("cannot find the probe `{path}`: {source}; name it by --probe")]
    Probe {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A workspace cannot be made.
    #[error(
        "cannot make a workspace `{path}`: {source}; name one by --workspace: a directory that the \
         ceiling allows and that is not root's"
    )]
    Workspace {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Ground {
    /// As the agent's configuration says.
    pub(super) fn configured(request: &Request, config: &Path) -> Result<Self, GroundError> {
        let config = Config::load(config)?;
        let ceiling = load(&config.ceiling)?;
        let profiles = Profiles::load(config.profiles.as_deref())?;
        let ground = Self::on(request, &ceiling, &profiles)?;
        Ok(Self { warden: config.warden, ..ground })
    }

    /// With a ceiling and a warden of its own.
    pub(super) fn with_ceiling(request: &Request, ceiling: &Path) -> Result<Self, GroundError> {
        Self::on(request, &load(ceiling)?, &Profiles::load(None)?)
    }

    fn on(request: &Request, ceiling: &Ceiling, profiles: &Profiles) -> Result<Self, GroundError> {
        let probe = probe(request.probe.as_deref())?;
        let profile = profile(request.profile.as_deref(), ceiling)?;
        let made = match &request.workspace {
            Some(_) => None,
            None => Some(make_workspace(ceiling)?),
        };
        let workspace = request.workspace.as_ref().or(made.as_ref());
        let workspace = workspace.map(|path| path.to_string_lossy().into_owned());
        let grant = Grant {
            profile,
            workspace: workspace.unwrap_or_default(),
            workspace_access: WorkspaceAccess::Write.into(),
            ..Grant::default()
        };
        let capped = cap(grant, Need::Write, profiles, ceiling)?;
        let may_lack = ceiling.enforcement.allow_degraded;
        Ok(Self { capped, may_lack, probe, warden: None, made })
    }
}

fn load(path: &Path) -> Result<Ceiling, LoadError> {
    let (ceiling, _) = cofferdam_ceiling::load(path, rustix::process::geteuid().as_raw())?;
    Ok(ceiling)
}

fn profile(asked: Option<&str>, ceiling: &Ceiling) -> Result<String, GroundError> {
    let allowed = &ceiling.profiles.allow;
    let usual = allowed.iter().find(|name| *name == PROFILE).or(allowed.first());
    asked.map(str::to_owned).or_else(|| usual.cloned()).ok_or(GroundError::Empty("profile"))
}

fn probe(asked: Option<&Path>) -> Result<PathBuf, GroundError> {
    let beside = || Ok(std::env::current_exe()?.with_file_name("cofferdam-probe"));
    let path = match asked {
        Some(path) => path.to_owned(),
        None => beside().map_err(|source| GroundError::Probe { path: "".into(), source })?,
    };
    path.canonicalize().map_err(|source| GroundError::Probe { path, source })
}

/// A fresh directory beneath the ceiling's first root.
fn make_workspace(ceiling: &Ceiling) -> Result<PathBuf, GroundError> {
    let root = ceiling.workspaces.roots.first().ok_or(GroundError::Empty("workspace root"))?;
    let path = root.as_path().join(format!("cofferdam-selftest-{}", uuid::Uuid::new_v4()));
    match std::fs::create_dir(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(GroundError::Workspace { path, source }),
    }
}
