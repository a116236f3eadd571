//! The programs that `cofferdam dev` starts: those beside its own file, or
//! copies, where the service user could not reach them (a checkout in /root).

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::reach::everybody_can_execute;
use super::standing::Standing;
use super::state::{State, StateError};

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) warden: PathBuf,
    pub(super) agent: PathBuf,
    pub(super) gateway: PathBuf,
    pub(super) proxy: PathBuf,
    /// The file worker, which the agent has started in cells.
    pub(super) worker: PathBuf,
}

/// Why a program cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramsError {
    /// Nobody knows where this program is.
    #[error("cannot find out where `cofferdam` itself is: {0}")]
    Self_(io::Error),
    /// It is not there.
    #[error("`{0}` is missing: install cofferdam-agent and cofferdam-gateway, or `make build`")]
    Missing(PathBuf),
    /// It cannot be copied to where the service user reaches it.
    #[error("cannot copy `{path}` to where the service user can execute it: {source}")]
    Copy {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The place for copies.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Programs {
    /// Finds them, and copies those that the service user needs and cannot reach.
    pub(super) fn find(state: &State, standing: Standing) -> Result<Self, ProgramsError> {
        let own = std::env::current_exe().map_err(ProgramsError::Self_)?;
        let beside = |name: &str| {
            let path = own.with_file_name(name);
            if path.is_file() { Ok(path) } else { Err(ProgramsError::Missing(path)) }
        };
        let reachable = |name: &str| {
            let path = beside(name)?;
            if standing.is_root() && !everybody_can_execute(&path) {
                return copy(state, name, &path);
            }
            Ok(path)
        };
        Ok(Self {
            warden: beside("cofferdam-warden")?,
            agent: reachable("cofferdam-agent")?,
            gateway: reachable("cofferdam-gateway")?,
            proxy: reachable("cofferdam-proxy")?,
            worker: reachable("cofferdam-files")?,
        })
    }
}

fn copy(state: &State, name: &str, path: &Path) -> Result<PathBuf, ProgramsError> {
    let failed = |source| ProgramsError::Copy { path: path.to_owned(), source };
    let mut to = state.replace("bin", name)?;
    let mut from = fs::File::open(path).map_err(failed)?;
    io::copy(&mut from, &mut to).map_err(failed)?;
    to.set_permissions(PermissionsExt::from_mode(0o755)).map_err(failed)?;
    Ok(state.at("bin").join(name))
}
