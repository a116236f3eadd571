//! What the planner must know about the host's file system: which paths are
//! there, where links lead, and what programs need. Gathered before planning, so
//! that planning is pure.
//!
//! Nothing here decides: the cell's builder opens every path again, without
//! following a link, and Landlock rules are made in the finished view.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cofferdam_programs::{Combined, ResolveError, Resolver};

use crate::cap::Capped;
use crate::planner::Purpose;

/// Links of a root file system after the merge of /usr.
const ROOT_LINKS: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Dynamic loaders, for programs that are granted by their directory: nobody
/// looks which of them each one names.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
];

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
    offer: Option<Arc<Combined>>,
}

impl Facts {
    /// Gathers what planning within `capped` needs. Asks file systems, which may
    /// take their time.
    ///
    /// # Errors
    /// Where the programs need more than can be looked at.
    pub fn gather(
        capped: &Capped,
        purpose: Purpose<'_>,
        resolver: &Resolver,
    ) -> Result<Self, ResolveError> {
        let worker = match purpose {
            Purpose::Files(worker) => Some(worker),
            Purpose::Run => None,
        };
        let Capped { show, read, programs, profile, .. } = capped;
        let trees = [show, read, programs, &profile.programs, &profile.libraries];
        let paths = trees.into_iter().flatten().map(|tree| tree.path.as_path());
        let usual = ROOT_LINKS.iter().chain(&LOADERS).map(Path::new);
        let mut facts = Self::default();
        for path in paths.chain(usual).chain(worker) {
            facts.resolved.entry(path.to_owned()).or_insert_with(|| resolve(path));
        }
        let named: Vec<PathBuf> = match worker {
            Some(worker) => vec![worker.to_owned()],
            None => facts.named_programs(capped),
        };
        if !named.is_empty() {
            facts.offer = Some(resolver.resolve_all(&named)?);
        }
        Ok(facts)
    }

    /// Programs that are granted one by one. What a cell may have written says
    /// nothing about what it needs: it could name any program of the host.
    fn named_programs(&self, capped: &Capped) -> Vec<PathBuf> {
        let named = capped.programs.iter().filter(|tree| tree.exact).map(|tree| &tree.path);
        let is_own = |path: &PathBuf| {
            let real = self.of(path).map_or(path, |resolved| &resolved.real);
            capped.is_own_place(path) || capped.is_own_place(real)
        };
        named.filter(|path| !is_own(path)).cloned().collect()
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

    /// Every link on the way to a path or program that was asked for: where it stands.
    pub fn links(&self) -> impl Iterator<Item = &Path> {
        let of_paths = self.resolved.values().flat_map(|resolved| &resolved.links);
        let of_programs = self.offer.iter().flat_map(|offer| offer.links.keys());
        of_paths.map(|(at, _)| at.as_path()).chain(of_programs.map(PathBuf::as_path))
    }

    /// The dynamic loaders that are there, as real paths.
    pub fn loaders(&self) -> impl Iterator<Item = &Path> {
        let there = |it: &&Resolved| it.found == Found::File;
        let found = LOADERS.iter().filter_map(|path| self.of(Path::new(path)));
        found.filter(there).map(|it| it.real.as_path())
    }

    /// What the programs that are named one by one need; `None` where none is.
    #[must_use]
    pub fn offer(&self) -> Option<&Combined> {
        self.offer.as_deref()
    }

    #[cfg(test)]
    pub(crate) fn given(
        resolved: impl IntoIterator<Item = (PathBuf, Resolved)>,
        offer: Option<Combined>,
    ) -> Self {
        Self { resolved: resolved.into_iter().collect(), offer: offer.map(Arc::new) }
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
