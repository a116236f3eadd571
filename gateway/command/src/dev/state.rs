//! The directory that holds everything of one `cofferdam dev`: configuration,
//! keys, journals, logs.
//!
//! It may be made by root in a place where others write, and on a second start
//! the service user could have changed it. So whatever happens here before root
//! is given up goes through descriptors and follows no symlink.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fchown, fstat, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};

use super::reach::barrier;
use super::standing::Standing;

/// A file that says whose directory this is.
const MARK: &str = "cofferdam-dev";
const MARK_TEXT: &str =
    "State of `cofferdam dev`. Remove the whole directory when it does not run.\n";

/// The state of one `cofferdam dev`. A temporary one is removed when dropped.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    temporary: bool,
    root: Directory,
    standing: Standing,
}

/// An open directory.
#[derive(Debug)]
struct Directory(OwnedFd);

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
        let state = Self { path, temporary, root, standing };
        state.check(workspace).inspect_err(|_| {
            // Nothing is left of what is not taken.
            _ = is_new.then(|| fs::remove_dir(&state.path));
        })?;
        state.root.give(standing).map_err(system("hand over", &state.path))?;
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

    fn check(&self, workspace: &Path) -> Result<(), StateError> {
        let (state, workspace) = (self.path.clone(), workspace.to_owned());
        if state.starts_with(&workspace) || workspace.starts_with(&state) {
            return Err(StateError::InWorkspace { state, workspace });
        }
        if state.to_str().is_none() {
            return Err(StateError::NotText(state));
        }
        if let Some(barrier) = barrier(&state).filter(|_| self.standing.is_root()) {
            return Err(StateError::OutOfReach { barrier: barrier.to_owned() });
        }
        let stat = fstat(&self.root.0).map_err(system("look at", &state))?;
        let own = [geteuid().as_raw(), self.standing.uid()].contains(&stat.st_uid);
        if !own || stat.st_mode & 0o022 != 0 {
            return Err(StateError::Others(state));
        }
        if self.root.claim().map_err(system("look into", &state))? {
            return Ok(());
        }
        Err(StateError::SomethingElse(state))
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

impl Directory {
    fn open(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(at, path, flags, Mode::empty()).map(Self)
    }

    /// Opens a subdirectory; makes it where it is missing.
    fn make(&self, name: &str) -> rustix::io::Result<Self> {
        match mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Self::open(&self.0, name),
            Err(errno) => Err(errno),
        }
    }

    fn give(&self, standing: Standing) -> rustix::io::Result<()> {
        match standing {
            Standing::Root { uid, gid } => {
                fchown(&self.0, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            }
            Standing::Ordinary { .. } => Ok(()),
        }
    }

    /// A new file that everybody may read, in place of what had the name.
    fn replace(&self, name: &str) -> rustix::io::Result<File> {
        match unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(&self.0, name, flags, Mode::from_raw_mode(0o644)).map(File::from)
    }

    /// Puts the mark into an empty directory; false where something unmarked is.
    fn claim(&self) -> rustix::io::Result<bool> {
        let mut empty = true;
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            match entry?.file_name().to_bytes() {
                b"." | b".." => {}
                name if name == MARK.as_bytes() => return Ok(true),
                _ => empty = false,
            }
        }
        if empty {
            let mut mark = self.replace(MARK)?;
            mark.write_all(MARK_TEXT.as_bytes()).map_err(|_| Errno::IO)?;
        }
        Ok(empty)
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
        .prefix("cofferdam-dev-")
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
