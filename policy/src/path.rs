//! Paths, resolved lexically: `.`, `..` and doubled slashes are taken away
//! without touching a disk, because the policy has none.
//!
//! A link in a workspace can make the kernel go elsewhere; the cell's view and
//! Landlock hold that. Here the invariant is: a path that comes out is absolute,
//! normal, and not outside of what it was relative to.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why a path was not taken. It denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// No bytes.
    #[error("is empty; give a path, absolute or relative to the workspace")]
    Empty,
    /// A NUL byte, which ends a path for the kernel.
    #[error("holds a NUL byte; leave it out")]
    Nul,
    /// `..` leads out of the workspace or above `/`.
    #[error("leads out with `..`; give a path without `..`")]
    Escapes,
}

/// The directory that relative paths of a call start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directory<'a> {
    /// This one, absolute and normal.
    At(&'a Path),
    /// One beneath the workspace that is not known before running, after `cd`.
    Somewhere,
}

/// Where something is, as far as it can be known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Location {
    /// Absolute and normal.
    At(PathBuf),
    /// Somewhere beneath the workspace.
    InWorkspace,
    /// Not known at all. Only what a program opens is: [`locate`] never says so.
    Anywhere,
}

/// Resolves `path` against `directory`. A relative path must stay beneath the
/// workspace where it started beneath it.
pub(crate) fn locate(
    path: &[u8],
    directory: Directory<'_>,
    workspace: &Path,
) -> Result<Location, PathProblem> {
    if path.is_empty() {
        return Err(PathProblem::Empty);
    }
    if path.contains(&0) {
        return Err(PathProblem::Nul);
    }
    if path.starts_with(b"/") {
        return normal(path, &mut Vec::new(), 0).map(Location::At);
    }
    match directory {
        Directory::At(base) => {
            let mut parts: Vec<&[u8]> = components(base.as_os_str().as_bytes()).collect();
            let floor = if base.starts_with(workspace) {
                components(workspace.as_os_str().as_bytes()).count()
            } else {
                parts.len()
            };
            normal(path, &mut parts, floor).map(Location::At)
        }
        Directory::Somewhere => {
            normal(path, &mut Vec::new(), 0)?;
            Ok(Location::InWorkspace)
        }
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// Appends `path` to `parts`; never removes the first `floor` of them.
fn normal<'a>(
    path: &'a [u8],
    parts: &mut Vec<&'a [u8]>,
    floor: usize,
) -> Result<PathBuf, PathProblem> {
    for part in components(path) {
        if part != b".." {
            parts.push(part);
        } else if parts.len() > floor {
            parts.pop();
        } else {
            return Err(PathProblem::Escapes);
        }
    }
    let mut out = PathBuf::from("/");
    out.extend(parts.iter().map(|part| OsStr::from_bytes(part)));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    const WORKSPACE: &str = "/srv/shop";

    fn at(path: &[u8]) -> Result<PathBuf, PathProblem> {
        let workspace = Path::new(WORKSPACE);
        match locate(path, Directory::At(workspace), workspace)? {
            Location::At(path) => Ok(path),
            other => panic!("the directory was known: {other:?}"),
        }
    }

    #[test]
    fn relative_paths_stay_beneath_the_workspace() {
        assert_eq!(at(b"src/./a//b"), Ok("/srv/shop/src/a/b".into()));
        assert_eq!(at(b"."), Ok(WORKSPACE.into()));
        assert_eq!(at(b"a/../b"), Ok("/srv/shop/b".into()));
        assert_eq!(at(b"a/../../x"), Err(PathProblem::Escapes));
        assert_eq!(at(b".."), Err(PathProblem::Escapes));
        assert_eq!(at(b""), Err(PathProblem::Empty));
        assert_eq!(at(b"a\0b"), Err(PathProblem::Nul));
    }

    #[test]
    fn absolute_paths_are_normal_and_never_above_the_root() {
        assert_eq!(at(b"/etc/../srv//x/."), Ok("/srv/x".into()));
        assert_eq!(at(b"/.."), Err(PathProblem::Escapes));
        assert_eq!(at(b"/"), Ok("/".into()));
    }

    #[test]
    fn a_subdirectory_may_be_left_but_not_the_workspace() {
        let workspace = Path::new(WORKSPACE);
        let directory = Directory::At(Path::new("/srv/shop/a/b"));
        assert_eq!(locate(b"../c", directory, workspace), Ok(Location::At("/srv/shop/a/c".into())));
        assert_eq!(locate(b"../../../c", directory, workspace), Err(PathProblem::Escapes));
    }

    #[test]
    fn after_cd_a_relative_path_is_somewhere_in_the_workspace_or_nowhere() {
        let workspace = Path::new(WORKSPACE);
        assert_eq!(locate(b"x/y", Directory::Somewhere, workspace), Ok(Location::InWorkspace));
        assert_eq!(locate(b"../y", Directory::Somewhere, workspace), Err(PathProblem::Escapes));
    }

    proptest! {
        #[test]
        fn no_relative_path_leaves_the_workspace(path in "[a./]{1,40}") {
            prop_assume!(!path.starts_with('/'));
            if let Ok(found) = at(path.as_bytes()) {
                prop_assert!(found.starts_with(WORKSPACE));
                let normal = |part| matches!(part, Component::RootDir | Component::Normal(_));
                prop_assert!(found.components().all(normal));
            }
        }
    }
}
