//! The directory that holds everything of one `cofferdam dev`: configuration,
//! keys, journals, logs.
//!
//! It may be made by root in a place where others write, and on a second start
//! the service user could have changed it. So whatever happens here before root
//! is given up goes through descriptors and follows no symlink.

mod directory;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::process::geteuid;

use directory::{Claim, Directory};

use super::reach::barrier;
use super::standing::Standing;

/// How temporary ones are named.
const PREFIX: &str = "cofferdam-dev-";

/// The state of one `cofferdam dev`. A temporary one is removed when dropped.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    temporary: bool,
    root: Directory,
    standing: Standing,
    /// Held as long as this runs.
    _lock: File,
}

/// Why there is no state directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// A system call failed.
    #[error("cannot {operation} `{path}`: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else is there.
    #[error(
        "`{0}` holds something else; give --dir a new or empty directory, or one of an earlier \
         `cofferdam dev`"
    )]
    SomethingElse(PathBuf),
    /// Another one runs there.
    #[error("another `cofferdam dev` runs in `{0}`; end it, or give --dir another place")]
    InUse(PathBuf),
    /// Others could change it.
    #[error("`{0}` belongs to another user, or others can write it; give --dir one of your own")]
    Others(PathBuf),
    /// The path cannot be written into configuration files.
    #[error("the path of the state directory `{0}` is not UTF-8; give --dir another")]
    NotText(PathBuf),
    /// The service user cannot get there.
    #[error(
        "the service user cannot enter `{barrier}`, and agent and gateway run as that user; give \
         --dir a place that everybody can reach, such as beneath /var/lib"
    )]
    OutOfReach {
        /// The directory that is closed.
        barrier: PathBuf,
    },
    /// Cells could see or change it.
    #[error(
        "the state directory `{state}` and the workspace `{workspace}` lie in each other: commands \
         could change their own records; give --dir another place"
    )]
    InWorkspace {
        /// The state directory.
        state: PathBuf,
        /// The workspace.
        workspace: PathBuf,
    },
}

impl State {
    /// Makes the directory `kept`, or a temporary one, ready for the service.
    pub(super) fn make(
        kept: Option<&Path>,
        workspace: &Path,
        standing: Standing,
    ) -> Result<Self, StateError> {
        let is_new = kept.is_none_or(|path| !path.exists());
        let (path, temporary) = match kept {
            Some(path) => (make_kept(path)?, false),
            None => (make_temporary(standing)?, true),
        };
        let failed = system("open the directory", &path);
        let root = Directory::open(CWD, &path).map_err(failed)?;
        let lock = check(&root, &path, workspace, standing).inspect_err(|_| {
            // Nothing is left of what is not taken.
            _ = is_new.then(|| fs::remove_dir(&path));
        })?;
        root.give(standing).map_err(system("hand over", &path))?;
        let state = Self { path, temporary, root, standing, _lock: lock };
        for name in ["host", "agent", "gateway", "log"] {
            state.subdirectory(name)?;
        }
        Ok(state)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it.
    pub(super) fn at(&self, inner: &str) -> PathBuf {
        self.path.join(inner)
    }

    /// It will be removed at the end.
    pub(super) fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Opens a subdirectory of the service's, made where it is missing.
    fn subdirectory(&self, name: &str) -> Result<Directory, StateError> {
        let path = self.at(name);
        self.root
            .make(name)
            .and_then(|directory| directory.give(self.standing).map(|()| directory))
            .map_err(system("make the directory", &path))
    }

    /// A new file of the caller's own in a subdirectory, in place of an old one.
    pub(super) fn replace(&self, subdirectory: &str, name: &str) -> Result<File, StateError> {
        let directory = self.subdirectory(subdirectory)?;
        let path = self.at(subdirectory).join(name);
        directory.replace(name).map_err(system("write", &path))
    }

    /// The same with a content.
    pub(super) fn write(
        &self,
        subdirectory: &str,
        name: &str,
        content: &[u8],
    ) -> Result<PathBuf, StateError> {
        let path = self.at(subdirectory).join(name);
        self.replace(subdirectory, name)?.write_all(content).map_err(|source| {
            StateError::System { operation: "write", path: path.clone(), source }
        })?;
        Ok(path)
    }

    /// Removes temporary directories of this user that a killed `cofferdam dev`
    /// left: nobody holds their lock. Best effort.
    pub(super) fn remove_leftovers(&self) {
        let parent = self.path.parent().filter(|_| self.temporary);
        let entries = parent.and_then(|parent| fs::read_dir(parent).ok());
        for entry in entries.into_iter().flatten().flatten() {
            let is_temporary = entry.file_name().to_string_lossy().starts_with(PREFIX);
            let other = Directory::open(CWD, entry.path()).ok().filter(|_| is_temporary);
            let abandoned = |directory: Directory| {
                directory.owner().is_ok_and(|owner| owner == geteuid().as_raw())
                    && matches!(directory.lock(), Ok(Claim::Ours(_)))
            };
            if other.is_some_and(abandoned) {
                _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Whether the directory may be used; its lock.
fn check(
    root: &Directory,
    path: &Path,
    workspace: &Path,
    standing: Standing,
) -> Result<File, StateError> {
    let (state, workspace) = (path.to_owned(), workspace.to_owned());
    if state.starts_with(&workspace) || workspace.starts_with(&state) {
        return Err(StateError::InWorkspace { state, workspace });
    }
    if state.to_str().is_none() {
        return Err(StateError::NotText(state));
    }
    if let Some(barrier) = barrier(&state).filter(|_| standing.is_root()) {
        return Err(StateError::OutOfReach { barrier: barrier.to_owned() });
    }
    let owner = root.owner().map_err(system("look at", path))?;
    let own = [geteuid().as_raw(), standing.uid()].contains(&owner);
    if !own || root.others_can_write().map_err(system("look at", path))? {
        return Err(StateError::Others(state));
    }
    match root.claim().map_err(system("look into", path))? {
        Claim::Ours(lock) => Ok(lock),
        Claim::InUse => Err(StateError::InUse(state)),
        Claim::SomethingElse => Err(StateError::SomethingElse(state)),
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if self.temporary {
            // What is left lies in a directory for temporary things.
            _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes it where it is missing, for its owner alone; directories on the way as
/// they usually are.
fn make_kept(path: &Path) -> Result<PathBuf, StateError> {
    use std::os::unix::fs::DirBuilderExt;
    let make = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    };
    make().map_err(system("make the directory", path))?;
    path.canonicalize().map_err(system("find", path))
}

/// In the user's own runtime directory if there is one. A service user could
/// not enter that of root.
fn make_temporary(standing: Standing) -> Result<PathBuf, StateError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !standing.is_root());
    let own = runtime.map(PathBuf::from).filter(|path| path.is_dir());
    let base = own.unwrap_or_else(|| "/tmp".into());
    let base = base.canonicalize().map_err(system("find", &base))?;
    let made = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(PermissionsExt::from_mode(0o700))
        .tempdir_in(&base)
        .map_err(system("make a directory in", &base))?;
    Ok(made.keep())
}

fn system<E: Into<io::Error>>(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> StateError + use<E> {
    let path = path.to_owned();
    move |error| StateError::System { operation, path, source: error.into() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn ordinary() -> Standing {
        Standing::Ordinary { uid: geteuid().as_raw() }
    }

    fn make(path: &Path) -> Result<State, StateError> {
        State::make(Some(path), Path::new("/nonexistent/workspace"), ordinary())
    }

    #[test]
    fn a_kept_directory_is_private_and_can_be_used_again() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/state");
        let first = make(&path).unwrap();
        let written = first.write("host", "ceiling.toml", b"1").unwrap();
        drop(first);
        let again = make(&path).unwrap();
        again.write("host", "ceiling.toml", b"2").unwrap();
        assert_eq!(fs::read(written).unwrap(), b"2");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_temporary_directory_goes_with_its_state() {
        let workspace = Path::new("/nonexistent/workspace");
        let state = State::make(None, workspace, ordinary()).unwrap();
        let path = state.path().to_owned();
        state.write("log", "agent.log", b"x").unwrap();
        assert!(path.is_dir() && state.is_temporary());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(state);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_is_used_by_one_at_a_time() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("state");
        let first = make(&path).unwrap();
        assert!(matches!(make(&path), Err(StateError::InUse(_))));
        drop(first);
        assert!(make(&path).is_ok());
    }

    #[test]
    fn what_a_killed_one_left_is_removed_and_what_runs_is_not() {
        let workspace = Path::new("/nonexistent/workspace");
        let make = || State::make(None, workspace, ordinary()).unwrap();
        let (mut killed, running) = (make(), make());
        killed.temporary = false;
        let left = killed.path().to_owned();
        drop(killed);
        make().remove_leftovers();
        assert!(!left.exists() && running.path().exists());
    }

    #[test]
    fn what_holds_something_else_is_left_alone() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("thesis.tex"), "x").unwrap();
        assert!(matches!(make(outer.path()), Err(StateError::SomethingElse(_))));
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_can_write_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert!(matches!(make(outer.path()), Err(StateError::Others(_))));
    }

    #[test]
    fn state_and_workspace_do_not_lie_in_each_other() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().canonicalize().unwrap();
        for (state, workspace) in [("work/state", "work"), ("state", "state/work")] {
            let made = State::make(Some(&root.join(state)), &root.join(workspace), ordinary());
            assert!(matches!(made, Err(StateError::InWorkspace { .. })), "{state} {workspace}");
            assert!(!root.join(state).exists());
        }
    }

    #[test]
    fn no_symlink_in_it_is_followed() {
        let outer = tempfile::tempdir().unwrap();
        let (state, victim) = (outer.path().join("state"), outer.path().join("victim"));
        fs::create_dir(&victim).unwrap();
        drop(make(&state).unwrap());
        fs::remove_dir(state.join("host")).unwrap();
        symlink(&victim, state.join("host")).unwrap();
        assert!(make(&state).is_err());
        assert_eq!(fs::read_dir(&victim).unwrap().count(), 0);
    }
}
