//! What the planner must know about the host's file system: which paths are
//! there, and where links lead. Gathered before planning, so that planning is
//! pure.
//!
//! Nothing here decides: the cell's builder opens every path again, without
//! following a link, and Landlock rules are made in the finished view.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::cap::Capped;
use crate::programs;

/// Links of a root file system after the merge of /usr.
const ROOT_LINKS: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Links followed for one path, at most (as the kernel's MAXSYMLINKS).
const MAX_LINKS: usize = 40;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or nothing that can be looked at.
    Nothing,
    /// A directory.
    Directory,
    /// Anything else.
    File,
    /// Something beneath a directory that the agent may not enter, such as a
    /// toolchain in a private home: taken as it was named. The cell's builder
    /// opens it, and refuses a link in it.
    Hidden,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The links on the way: where each stands and what it holds.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// The end of the way, without a link in it.
    pub real: PathBuf,
    /// What is there.
    pub found: Found,
}

/// Facts about the host.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    resolved: BTreeMap<PathBuf, Resolved>,
    helpers: BTreeSet<PathBuf>,
}

impl Facts {
    /// Gathers what planning within `capped` needs, and `also`. Asks file systems,
    /// which may take their time.
    #[must_use]
    pub fn gather(capped: &Capped, also: &[&Path]) -> Self {
        let mut facts = Self::default();
        let trees = capped.show.iter().chain(&capped.read).chain(&capped.programs);
        let paths = trees.map(|tree| tree.path.as_path());
        for path in paths.chain(ROOT_LINKS.map(Path::new)).chain(also.iter().copied()) {
            facts.resolved.entry(path.to_owned()).or_insert_with(|| resolve(path));
        }
        let named = capped.programs.iter().filter(|tree| tree.exact).map(|tree| &*tree.path);
        let mut helpers = programs::loaders();
        for program in named.chain(also.iter().copied()) {
            let real = facts.resolved[program].real.clone();
            helpers.extend(programs::helpers(&real, &capped.profile.search_path));
        }
        facts.helpers = helpers.into_iter().map(|helper| resolve(&helper).real).collect();
        facts
    }

    /// Where `path` leads; `None` for a path that was not asked for.
    #[must_use]
    pub fn of(&self, path: &Path) -> Option<&Resolved> {
        self.resolved.get(path)
    }

    /// The links that a root needs.
    pub fn root_links(&self) -> impl Iterator<Item = &(PathBuf, PathBuf)> {
        ROOT_LINKS.iter().filter_map(|path| self.of(Path::new(path))).flat_map(|r| &r.links)
    }

    /// Interpreters and loaders that the named programs need, as real paths.
    pub fn helpers(&self) -> impl Iterator<Item = &Path> {
        self.helpers.iter().map(PathBuf::as_path)
    }

    #[cfg(test)]
    pub(crate) fn given(resolved: impl IntoIterator<Item = (PathBuf, Resolved)>) -> Self {
        Self { resolved: resolved.into_iter().collect(), helpers: BTreeSet::new() }
    }
}

/// Follows `path` component by component.
#[must_use]
pub fn resolve(path: &Path) -> Resolved {
    let mut links = Vec::new();
    let mut real = PathBuf::from("/");
    let mut left: Vec<PathBuf> = components(path);
    let mut found = Found::Directory;
    while let Some(name) = left.pop() {
        if name.as_os_str() == ".." {
            real.pop();
            continue;
        }
        real.push(&name);
        found = match fs::symlink_metadata(&real) {
            Ok(metadata) if metadata.is_symlink() && links.len() < MAX_LINKS => {
                let Ok(target) = fs::read_link(&real) else { return nothing(links, real) };
                links.push((real.clone(), target.clone()));
                real.pop();
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                left.extend(components(&target));
                Found::Directory
            }
            Ok(metadata) if metadata.is_dir() => Found::Directory,
            Ok(metadata) if !metadata.is_symlink() && left.is_empty() => Found::File,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                real.extend(left.into_iter().rev());
                return Resolved { links, real, found: Found::Hidden };
            }
            Ok(_) | Err(_) => return nothing(links, real),
        };
    }
    Resolved { links, real, found }
}

fn nothing(links: Vec<(PathBuf, PathBuf)>, real: PathBuf) -> Resolved {
    Resolved { links, real, found: Found::Nothing }
}

/// The components of a path, the last one first.
fn components(path: &Path) -> Vec<PathBuf> {
    let keep = |c: &Component<'_>| matches!(c, Component::Normal(_) | Component::ParentDir);
    path.components().filter(keep).rev().map(|c| PathBuf::from(c.as_os_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::write(root.join("usr/bin/real"), "").unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        symlink("../bin/real", root.join("usr/name")).unwrap();
        let resolved = resolve(&root.join("usr/name"));
        assert_eq!(resolved.real, root.join("usr/bin/real"));
        assert_eq!(resolved.found, Found::File);
        let expected = [
            (root.join("usr/name"), PathBuf::from("../bin/real")),
            (root.join("bin"), PathBuf::from("usr/bin")),
        ];
        assert_eq!(resolved.links, expected);
    }

    #[test]
    fn circles_and_missing_paths_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert_eq!(resolve(&dir.path().join("a")).found, Found::Nothing);
        assert_eq!(resolve(&dir.path().join("c/d")).found, Found::Nothing);
        fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(resolve(&dir.path().join("file/below")).found, Found::Nothing);
    }
}
