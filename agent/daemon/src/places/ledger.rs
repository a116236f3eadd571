//! The list of placeholders, on disk before they are: `placeholders.json` beside
//! the journal's files.
//!
//! It is replaced as a whole, so that a killed agent leaves the old or the new. It
//! is not made durable: after a loss of power an empty directory may stay behind,
//! which is no harm, and a list that cannot be read is said and begun anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_plan::AbsolutePath;
use serde::{Deserialize, Serialize};

/// The largest list, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The placeholders of one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The profile that protects the paths.
    pub profile: String,
    /// When the first of the cells that rely on it was about to be built, in
    /// milliseconds since 1970.
    pub since_millis: u64,
    /// Placeholders, as seen from the workspace.
    pub made: BTreeSet<String>,
}

/// The list.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    entries: Mutex<BTreeMap<String, Entry>>,
}

impl Entry {
    /// Nothing is made yet.
    #[must_use]
    pub fn new(profile: &str, since: SystemTime) -> Self {
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { profile: profile.to_owned(), since_millis, made: BTreeSet::new() }
    }

    /// When it began.
    #[must_use]
    pub fn since(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.since_millis)).unwrap_or(UNIX_EPOCH)
    }
}

impl Ledger {
    /// Reads the list at `path`; none is an empty one.
    #[must_use]
    pub fn open(path: PathBuf) -> Self {
        let entries = read(&path).unwrap_or_else(|error| {
            let path = path.display();
            tracing::warn!(%path, %error, "the list of placeholders cannot be read; what an earlier agent left in workspaces stays there");
            BTreeMap::new()
        });
        Self { path, entries: Mutex::new(entries) }
    }

    /// All of it.
    #[must_use]
    pub fn entries(&self) -> Vec<(AbsolutePath, Entry)> {
        let entries = self.lock();
        let usable = |(path, entry): (&String, &Entry)| {
            AbsolutePath::new(path.as_str()).ok().map(|path| (path, entry.clone()))
        };
        entries.iter().filter_map(usable).collect()
    }

    /// Changes what it says of a workspace, on disk, too. An entry without a
    /// placeholder is not worth a line.
    ///
    /// # Errors
    /// Where it cannot be written; it says what it said before.
    pub fn set(&self, workspace: &AbsolutePath, entry: Option<Entry>) -> io::Result<()> {
        let mut entries = self.lock();
        let mut changed = entries.clone();
        match entry.filter(|entry| !entry.made.is_empty()) {
            Some(entry) => changed.insert(workspace.to_string(), entry),
            None => changed.remove(&workspace.to_string()),
        };
        if changed == *entries {
            return Ok(());
        }
        let beside = self.path.with_extension("json.new");
        fs::write(&beside, serde_json::to_vec(&changed)?)?;
        fs::rename(&beside, &self.path)?;
        *entries = changed;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, Entry>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
        Ok(found) if found.len() > MAX_FILE => return Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => {}
    }
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
