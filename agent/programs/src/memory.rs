//! What a resolver remembers, so that resolving the same grant again costs only
//! looking whether its files are still the same.
//!
//! A directory's stamp tells that entries came or went, which is how package
//! managers replace files. A file that is overwritten in place inside a tree is
//! not noticed: nor would the kernel notice in a cell that is already there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bounds;
use crate::combined::Combined;
use crate::loader_cache::LoaderCache;
use crate::reading::{Content, Seen};
use crate::root::{Root, Stamp};
use crate::tree::Tree;

/// Results, and what they were made from.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    files: HashMap<PathBuf, (Stamp, Arc<Content>)>,
    trees: HashMap<PathBuf, Arc<Tree>>,
    grants: HashMap<Vec<PathBuf>, Kept>,
    loader_cache: Option<(Stamp, Arc<LoaderCache>)>,
}

/// What a grant came to, and what was looked at for it.
#[derive(Debug)]
struct Kept {
    combined: Arc<Combined>,
    seen: Seen,
    /// When all of it was last looked at; `None` when that is in doubt.
    looked: Option<Instant>,
}

impl Memory {
    pub(crate) fn file(&self, path: &Path, now: Stamp) -> Option<Arc<Content>> {
        let (stamp, content) = self.files.get(path)?;
        (*stamp == now).then(|| Arc::clone(content))
    }

    pub(crate) fn keep_file(&mut self, path: &Path, stamp: Stamp, content: Arc<Content>) {
        make_room(&mut self.files, bounds::MEMORY);
        self.files.insert(path.to_owned(), (stamp, content));
    }

    /// The tree at `path`, if its directories are as they were.
    pub(crate) fn tree(&self, root: &Root, path: &Path) -> Option<Arc<Tree>> {
        let tree = self.trees.get(path)?;
        let same = |(path, stamp): &(PathBuf, Stamp)| now(root, path) == Some(*stamp);
        tree.directories.iter().all(same).then(|| Arc::clone(tree))
    }

    pub(crate) fn keep_tree(&mut self, path: &Path, tree: Arc<Tree>) {
        make_room(&mut self.trees, bounds::TREES);
        self.trees.insert(path.to_owned(), tree);
    }

    pub(crate) fn loader_cache(&self, now: Stamp) -> Option<Arc<LoaderCache>> {
        let (stamp, cache) = self.loader_cache.as_ref()?;
        (*stamp == now).then(|| Arc::clone(cache))
    }

    pub(crate) fn keep_loader_cache(&mut self, stamp: Stamp, cache: Arc<LoaderCache>) {
        self.loader_cache = Some((stamp, cache));
    }

    /// What a grant came to, if all that it was made from is as it was. What was
    /// looked at less than `trust` ago is not looked at again.
    pub(crate) fn grant(
        &mut self,
        root: &Root,
        programs: &[PathBuf],
        trust: Duration,
    ) -> Option<Arc<Combined>> {
        let kept = self.grants.get_mut(programs)?;
        if kept.looked.is_none_or(|looked| looked.elapsed() >= trust) {
            let start = Instant::now();
            if !kept.seen.iter().all(|(path, stamp)| now(root, path) == *stamp) {
                return None;
            }
            kept.looked = Some(start);
        }
        Some(Arc::clone(&kept.combined))
    }

    pub(crate) fn keep_grant(
        &mut self,
        programs: &[PathBuf],
        combined: Arc<Combined>,
        seen: Seen,
        looked: Instant,
    ) {
        make_room(&mut self.grants, bounds::GRANTS);
        let kept = Kept { combined, seen, looked: Some(looked) };
        self.grants.insert(programs.to_vec(), kept);
    }

    /// Trusts in none of the grants until it was looked at again.
    pub(crate) fn doubt(&mut self) {
        self.grants.values_mut().for_each(|kept| kept.looked = None);
    }
}

fn now(root: &Root, path: &Path) -> Option<Stamp> {
    root.look(path).ok().map(|metadata| Stamp::of(&metadata))
}

/// Forgets all when it is too much: what is used comes again.
fn make_room<K, V>(map: &mut HashMap<K, V>, limit: usize) {
    if map.len() >= limit {
        map.clear();
    }
}
