//! What `cofferdam dev` finds where it is started: the workspace, and the
//! programs that its caller is used to. Looked at before anything is made, and
//! before root is given up: a service user may not see a home directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::toolchains::{self, Toolchain};

/// Directories of the host's own programs: shown whole, read-only.
pub(super) const PROGRAM_DIRECTORIES: [&str; 2] = ["/usr", "/opt"];

/// Places that every cell has of its own; a workspace cannot be there.
pub(super) const HOME: &str = "/home/cell";
const OWN_PLACES: [&str; 4] = [HOME, "/tmp", "/var/tmp", "/dev/shm"];

/// Places that a workspace cannot be in at all.
const SYSTEM_PLACES: [&str; 4] = ["/proc", "/sys", "/dev", "/etc"];

/// What was found.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// The workspace, without a symlink in its path.
    pub(super) workspace: PathBuf,
    /// The workspace is root's: what cells make there is root's on disk.
    pub(super) root_owned: bool,
    /// Toolchains behind the caller's PATH.
    pub(super) toolchains: Vec<Toolchain>,
    /// The caller's PATH as far as cells can have it.
    pub(super) search_path: Vec<PathBuf>,
    /// Directories of the caller's PATH that cells do not get, and why.
    pub(super) left_out: Vec<(PathBuf, &'static str)>,
    /// What of [`PROTECTED`] is in the workspace.
    pub(super) protected: Vec<String>,
}

/// What git, editors and coding agents execute or believe. Only what is there is
/// protected, and what would lie in a `.git` that is there: `dev` makes no
/// placeholders that its caller would see.
const PROTECTED: [&str; 20] = [
    ".git/hooks",
    ".git/config",
    ".git/config.worktree",
    ".git/commondir",
    ".git/modules",
    ".git/worktrees",
    ".git/remotes",
    ".git/branches",
    ".husky",
    ".envrc",
    ".vscode",
    ".idea",
    ".devcontainer",
    ".mcp.json",
    ".claude",
    ".codex",
    ".cursor",
    ".gemini",
    ".opencode",
    "opencode.json",
];

/// The parts of the caller's environment that matter.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// `HOME`.
    pub(super) home: PathBuf,
    /// `PATH`, split.
    pub(super) path: Vec<PathBuf>,
    /// Variables that say where toolchains are.
    pub(super) variables: BTreeMap<String, OsString>,
}

/// Why there is no workspace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// It cannot be opened.
    #[error("the workspace `{path}` cannot be used: {source}; name a directory with --workspace")]
    Look {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no directory.
    #[error("the workspace `{0}` is not a directory")]
    NotADirectory(PathBuf),
    /// A cell has its own there, or the system has.
    #[error(
        "`{0}` cannot be a workspace: cells have `{1}` of their own, or it is the system's; \
         name a project's directory with --workspace"
    )]
    Place(PathBuf, &'static str),
    /// The path cannot be written into configuration files.
    #[error("the path of the workspace `{0}` is not UTF-8; name another with --workspace")]
    NotText(PathBuf),
}

impl Caller {
    /// From this process's environment.
    pub(super) fn of_this_process() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            home: std::env::home_dir().unwrap_or_else(|| "/".into()),
            path: std::env::split_paths(&path).collect(),
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .collect(),
        }
    }

    /// A directory that a variable names, or its usual place beneath the home.
    pub(super) fn directory(&self, variable: &str, usual: &str) -> PathBuf {
        match self.variables.get(variable).map(PathBuf::from) {
            Some(named) if named.is_absolute() => named,
            _ => self.home.join(usual),
        }
    }
}

impl Surroundings {
    /// Looks around. `others_read`: cells run as another user than the caller,
    /// so that only what everybody may read is of use to them.
    pub(super) fn look(
        workspace: &Path,
        caller: &Caller,
        others_read: bool,
    ) -> Result<Self, WorkspaceError> {
        let look = |source| WorkspaceError::Look { path: workspace.to_owned(), source };
        let workspace = workspace.canonicalize().map_err(look)?;
        let metadata = fs::metadata(&workspace).map_err(look)?;
        if !metadata.is_dir() {
            return Err(WorkspaceError::NotADirectory(workspace));
        }
        check_place(&workspace)?;
        let mut found = Self {
            root_owned: metadata.uid() == 0,
            toolchains: toolchains::find(caller),
            search_path: Vec::new(),
            left_out: Vec::new(),
            protected: PROTECTED
                .iter()
                .filter(|path| is_held(&workspace, Path::new(path)))
                .map(ToString::to_string)
                .collect(),
            workspace,
        };
        found.drop_unreadable(others_read);
        for directory in &caller.path {
            found.add_to_search_path(directory);
        }
        for usual in ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"] {
            found.add_to_search_path(Path::new(usual));
        }
        Ok(found)
    }

    /// Toolchains that the cells' user could not enter are of no use, nor are
    /// those that configuration files cannot name.
    fn drop_unreadable(&mut self, others_read: bool) {
        let readable = |directory: &PathBuf| {
            let open = |mode: u32| !others_read || mode & 0o005 == 0o005;
            fs::metadata(directory).is_ok_and(|metadata| open(metadata.mode()))
        };
        let is_text = |path: &PathBuf| path.to_str().is_some();
        self.toolchains.retain(|Toolchain { bin, programs, data, .. }| {
            let why = if !programs.iter().chain(data).all(is_text) {
                "its path is not UTF-8"
            } else if !programs.iter().all(readable) {
                "other users cannot read it (`chmod -R o+rX` would let them)"
            } else {
                return true;
            };
            self.left_out.push((bin.clone(), why));
            false
        });
    }

    fn add_to_search_path(&mut self, directory: &Path) {
        let Ok(real) = directory.canonicalize() else { return };
        let known = |(left_out, _): &(PathBuf, &str)| *left_out == real;
        if self.search_path.contains(&real) || self.left_out.iter().any(known) {
            return;
        }
        let shown = self
            .toolchains
            .iter()
            .flat_map(|toolchain| &toolchain.programs)
            .map(PathBuf::as_path)
            .chain(PROGRAM_DIRECTORIES.map(Path::new))
            .chain([self.workspace.as_path()]);
        let why = if real.to_str().is_none() {
            "its path is not UTF-8"
        } else if !shown.into_iter().any(|shown| real.starts_with(shown)) {
            "it is neither the host's nor of a toolchain that is known"
        } else {
            self.search_path.push(real);
            return;
        };
        self.left_out.push((real, why));
    }
}

/// Whether `path` is there, or would lie in git's directory.
fn is_held(workspace: &Path, path: &Path) -> bool {
    let git = workspace.join(".git");
    let in_git =
        path.starts_with(".git") && fs::symlink_metadata(git).is_ok_and(|it| !it.is_symlink());
    in_git || workspace.join(path).exists()
}

fn check_place(workspace: &Path) -> Result<(), WorkspaceError> {
    if workspace.to_str().is_none() {
        return Err(WorkspaceError::NotText(workspace.to_owned()));
    }
    let refuse = |place| Err(WorkspaceError::Place(workspace.to_owned(), place));
    // A workspace covers what lies beneath it.
    let covers = |place: &&str| Path::new(place).starts_with(workspace);
    if let Some(place) = OWN_PLACES.into_iter().chain(PROGRAM_DIRECTORIES).find(covers) {
        return refuse(place);
    }
    match SYSTEM_PLACES.into_iter().find(|place| workspace.starts_with(place)) {
        Some(place) if !workspace.starts_with("/dev/shm") => refuse(place),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(path: &[&Path]) -> Caller {
        let path = path.iter().map(|path| path.to_path_buf()).collect();
        Caller { home: "/nonexistent".into(), path, variables: BTreeMap::new() }
    }

    #[test]
    fn a_workspace_cannot_cover_what_is_the_cells_own_or_the_systems() {
        for path in ["/", "/tmp", "/usr", "/home", "/dev/shm", "/etc", "/proc/self", "/dev"] {
            assert!(
                matches!(check_place(Path::new(path)), Err(WorkspaceError::Place(..))),
                "{path}"
            );
        }
        for path in ["/tmp/project", "/home/me", "/usr/src/project", "/srv", "/root", "/work"] {
            assert!(check_place(Path::new(path)).is_ok(), "{path}");
        }
    }

    #[test]
    fn what_would_lie_in_a_git_directory_is_protected_before_it_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let look = || Surroundings::look(directory.path(), &caller(&[]), false).unwrap().protected;
        fs::write(directory.path().join(".envrc"), "").unwrap();
        assert_eq!(look(), [".envrc"]);
        fs::create_dir(directory.path().join(".git")).unwrap();
        let found = look();
        for path in [".git/config", ".git/commondir", ".git/modules", ".git/worktrees", ".envrc"] {
            assert!(found.contains(&path.to_owned()), "{path}: {found:?}");
        }
        assert!(!found.contains(&".vscode".to_owned()), "{found:?}");
    }

    #[test]
    fn what_is_no_directory_is_no_workspace() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let look = |path: &Path| Surroundings::look(path, &caller(&[]), false).unwrap_err();
        assert!(matches!(look(file.path()), WorkspaceError::NotADirectory(_)));
        assert!(matches!(look(Path::new("/nonexistent")), WorkspaceError::Look { .. }));
    }

    #[test]
    fn the_callers_order_stays_and_strange_directories_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let workspace = root.join("workspace");
        let (own, strange) = (workspace.join("bin"), root.join("strange"));
        for path in [&own, &strange] {
            fs::create_dir_all(path).unwrap();
        }
        let usr = Path::new("/usr/bin");
        let caller = caller(&[&own, &strange, usr, usr, Path::new("/missing")]);
        let found = Surroundings::look(&workspace, &caller, false).unwrap();
        assert_eq!(found.search_path[..2], [own, usr.to_owned()]);
        assert_eq!(found.left_out.len(), 1);
        assert_eq!(found.left_out[0].0, strange);
        assert!(found.search_path.iter().filter(|path| *path == usr).count() == 1);
    }
}
