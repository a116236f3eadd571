//! What a cell relies on, and how that stands, for the outcome of its runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_plan::AbsolutePath;
use cofferdam_proto::exec::v1::Layer;
use tokio::sync::Notify;

use super::Standing;
use super::look::{self, Look};
use crate::restart::cell::Protected;

/// Paths that are listed of those with one thing in common.
const LISTED: usize = 16;

/// A cell's part in its workspace's placeholders: they stay until it is dropped,
/// which is for when nothing of the cell is left.
#[derive(Debug)]
pub struct Reliance {
    pub(super) alive: Option<Arc<()>>,
    pub(super) freed: Arc<Notify>,
    pub(super) workspace: AbsolutePath,
    /// As they stood when the cell was built.
    pub(super) standing: BTreeMap<String, Standing>,
    /// As the agent saw them then; empty where it may not look.
    pub(super) looks: BTreeMap<String, Look>,
    pub(super) untold: Arc<Mutex<BTreeSet<String>>>,
}

impl Reliance {
    /// How the paths stood, for a log.
    #[must_use]
    pub fn kept(&self) -> Vec<Protected> {
        let paths: BTreeSet<_> = self.standing.keys().chain(self.looks.keys()).collect();
        let kept = paths.into_iter().map(|path| {
            let (standing, why) = match self.standing.get(path) {
                None => (0, String::new()),
                Some(Standing::There) => (1, String::new()),
                Some(Standing::Homeless) => (2, String::new()),
                Some(Standing::Failed(why)) => (3, why.clone()),
            };
            let (look, device, inode) = match self.looks.get(path) {
                None => (0, 0, 0),
                Some(Look::There(device, inode)) => (1, *device, *inode),
                Some(Look::Missing) => (2, 0, 0),
                Some(Look::Homeless) => (3, 0, 0),
            };
            Protected { path: path.clone(), standing, why, look, device, inode }
        });
        kept.collect()
    }

    /// Takes what a log says of them.
    pub(super) fn recall(&mut self, kept: Vec<Protected>) {
        for Protected { path, standing, why, look, device, inode } in kept {
            let standing = match standing {
                1 => Some(Standing::There),
                2 => Some(Standing::Homeless),
                3 => Some(Standing::Failed(why)),
                _ => None,
            };
            let look = match look {
                1 => Some(Look::There(device, inode)),
                2 => Some(Look::Missing),
                3 => Some(Look::Homeless),
                _ => None,
            };
            self.standing.extend(standing.map(|standing| (path.clone(), standing)));
            self.looks.extend(look.map(|look| (path, look)));
        }
    }

    /// How the protected paths stand, as a layer of the sandbox: what a run of
    /// this cell could do to them, or others did that nothing held back. What
    /// earlier cells left behind is told once.
    pub async fn layer(&self) -> Layer {
        let mut words: Vec<String> =
            self.failed().into_iter().map(|(why, paths)| not_held(why, &paths)).collect();
        let (mut appeared, replaced) = self.changed().await;
        appeared.append(&mut self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        if !appeared.is_empty() {
            words.push(format!("made or changed where nothing covers it: {}", list(&appeared)));
        }
        if !replaced.is_empty() {
            words.push(format!(
                "replaced or removed outside, and not covered any more: {}",
                list(&replaced)
            ));
        }
        let effective = words.is_empty();
        if effective {
            let there = self.standing.values().filter(|it| **it == Standing::There).count();
            words.push(format!("{there} paths of the workspace stay as they are"));
        }
        Layer { name: "protected".to_owned(), effective, detail: words.join("; ") }
    }

    /// Paths that could not be held, by the reason.
    fn failed(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let mut failed = BTreeMap::<_, BTreeSet<_>>::new();
        for (path, standing) in &self.standing {
            if let Standing::Failed(why) = standing {
                failed.entry(why.as_str()).or_default().insert(path.clone());
            }
        }
        failed
    }

    /// What came to be since the cell was built, and what is another file than the
    /// one that the cell covers: a cover goes with the name that it lies on.
    async fn changed(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let paths: Vec<_> = self.looks.keys().cloned().collect();
        let now = look::at(&self.workspace, &paths).await.unwrap_or_default();
        let was_there = |path: &String| matches!(self.looks.get(path), Some(Look::There(..)));
        let changed = now.into_iter().filter(|(path, look)| {
            let is_there = matches!(look, Look::There(..));
            (is_there || was_there(path)) && self.looks.get(path) != Some(look)
        });
        changed.map(|(path, _)| path).partition(|path| !was_there(path))
    }
}

fn not_held(why: &str, paths: &BTreeSet<String>) -> String {
    format!("not held ({why}): {}", list(paths))
}

/// The first of them, in words.
fn list(paths: &BTreeSet<String>) -> String {
    let shown: Vec<_> = paths.iter().take(LISTED).map(|path| format!("`{path}`")).collect();
    match paths.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

impl Drop for Reliance {
    fn drop(&mut self) {
        self.alive = None;
        self.freed.notify_one();
    }
}
