//! What a cell relies on, and how that stands, for the outcome of its runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_plan::AbsolutePath;
use cofferdam_proto::exec::v1::Layer;
use tokio::sync::Notify;

use super::Standing;
use super::look::{self, Look};

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
    pub(super) untold: Arc<Mutex<BTreeSet<String>>>,
}

impl Reliance {
    /// How the protected paths stand, as a layer of the sandbox: what a run of
    /// this cell could do to them, or others did that nothing held back.
    pub async fn layer(&self) -> Layer {
        let mut words: Vec<String> =
            self.failed().into_iter().map(|(why, paths)| not_held(why, &paths)).collect();
        let appeared = self.appeared().await;
        if !appeared.is_empty() {
            words.push(format!("made or changed where nothing covers it: {}", list(&appeared)));
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

    /// What came to be where nothing could be held when the cell was built, and
    /// what earlier cells of the workspace left at such places. The latter is told
    /// once.
    async fn appeared(&self) -> BTreeSet<String> {
        let homeless = self.standing.iter().filter(|(_, it)| **it == Standing::Homeless);
        let homeless: Vec<_> = homeless.map(|(path, _)| path.clone()).collect();
        let looks = look::at(&self.workspace, &homeless).await.unwrap_or_default();
        let there = looks.into_iter().filter(|(_, look)| *look == Look::There);
        let mut appeared: BTreeSet<_> = there.map(|(path, _)| path).collect();
        appeared.append(&mut self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        appeared
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
