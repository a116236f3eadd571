//! The ceiling as the agent reads it: anew whenever the file changed, so that
//! an edit counts at the next call. The warden reads it for itself.
//!
//! Four tables of the file are the agent's alone, and root skips them: which
//! gateways may call ([`Peers`]), whom they may act for ([`Callers`]), what their
//! rules must be ([`RequiredPolicy`]) and which units callers may be told of
//! ([`Services`]). All come from the same bytes as the rest.

mod callers;
mod pattern;
mod peers;
mod policy;
mod services;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_ceiling::{Ceiling, LoadError};
use cofferdam_trust::sha256;
use serde::Deserialize;

pub use callers::{CallerError, Callers};
pub use pattern::Pattern;
pub use peers::Peers;
pub use policy::{PolicyError, RequiredPolicy};
pub use services::{Services, ServicesError};

/// A ceiling, and which one it is.
#[derive(Debug)]
pub struct Current {
    /// What it says.
    pub ceiling: Ceiling,
    /// Which gateways may call.
    pub peers: Peers,
    /// Whom the gateways may act for.
    pub callers: Callers,
    /// What their rules must be.
    pub policy: RequiredPolicy,
    /// Which units callers may be told of.
    pub services: Services,
    /// SHA-256 of its file, for the journal.
    pub digest: [u8; 32],
}

/// The tables that only the agent reads; the rest of the file is [`Ceiling`]'s.
#[derive(Debug, Deserialize)]
struct OwnTables {
    peers: Peers,
    #[serde(default)]
    callers: Callers,
    #[serde(default)]
    policy: RequiredPolicy,
    #[serde(default)]
    services: Services,
}

/// The ceiling's file.
#[derive(Debug)]
pub struct Ceilings {
    path: PathBuf,
    /// Who besides root may own the file: whom the agent runs as.
    owner: u32,
    read: Mutex<Option<(Stamp, Arc<Current>)>>,
}

/// What tells two versions of a file apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Current {
    /// Reads the file at `path`, which root or `owner` must own.
    ///
    /// # Errors
    /// Where it is missing, untrusted or means nothing.
    pub fn load(path: &Path, owner: u32) -> Result<Self, LoadError> {
        let (ceiling, text) = cofferdam_ceiling::load(path, owner)?;
        let own = toml::from_str(&text);
        let OwnTables { peers, callers, policy, services } =
            own.map_err(|source| LoadError::Parse(path.into(), Box::new(source)))?;
        Ok(Self { ceiling, peers, callers, policy, services, digest: sha256(text.as_bytes()) })
    }
}

impl Ceilings {
    /// For the file at `path`, which root or `owner` must own.
    #[must_use]
    pub fn new(path: PathBuf, owner: u32) -> Self {
        Self { path, owner, read: Mutex::new(None) }
    }

    /// The ceiling as the file says it now.
    ///
    /// # Errors
    /// Where the file is missing, untrusted or means nothing; then nothing is
    /// allowed.
    pub fn current(&self) -> Result<Arc<Current>, LoadError> {
        let stamp = self.stamp();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(stamp), Some((known, current))) = (stamp, read.as_ref())
            && *known == stamp
        {
            return Ok(Arc::clone(current));
        }
        *read = None;
        let current = Arc::new(Current::load(&self.path, self.owner)?);
        // A file that was changed in between is read again next time.
        if let Some(stamp) = stamp.filter(|stamp| self.stamp() == Some(*stamp)) {
            *read = Some((stamp, Arc::clone(&current)));
        }
        Ok(current)
    }

    fn stamp(&self) -> Option<Stamp> {
        let m = fs::symlink_metadata(&self.path).ok()?;
        Some(Stamp {
            device: m.dev(),
            inode: m.ino(),
            size: m.size(),
            modified: (m.mtime(), m.mtime_nsec()),
            changed: (m.ctime(), m.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../packaging/config/ceiling.toml");

    #[test]
    fn an_edit_counts_at_once_and_a_broken_file_allows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ceiling.toml");
        fs::write(&path, EXAMPLE).unwrap();
        let ceilings = Ceilings::new(path.clone(), rustix::process::geteuid().as_raw());
        let first = ceilings.current().unwrap();
        assert_eq!(first.ceiling.limits.cells, 64);
        fs::write(&path, EXAMPLE.replace("cells = 64", "cells = 7")).unwrap();
        let second = ceilings.current().unwrap();
        assert_eq!(second.ceiling.limits.cells, 7);
        assert_ne!(first.digest, second.digest);
        fs::write(&path, "version = 2").unwrap();
        assert!(ceilings.current().is_err());
        fs::remove_file(&path).unwrap();
        assert!(ceilings.current().is_err());
    }

    #[test]
    fn what_the_example_shows_as_comments_is_right_as_well() {
        let is_setting = |line: &str| line.starts_with('[') || line.contains(" = ");
        let shown = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
            Some(setting) if is_setting(setting) => setting,
            _ => line,
        });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ceiling.toml");
        fs::write(&path, shown.collect::<Vec<_>>().join("\n")).unwrap();
        let shown = Current::load(&path, rustix::process::geteuid().as_raw()).unwrap();
        assert_ne!(shown.callers, Callers::default());
        assert!(shown.policy.describe().is_some());
        assert!(shown.services.is_something() && shown.services.has_journal());
        let limits = &shown.ceiling.limits;
        assert!(limits.runs.is_some() && limits.runs_per_user.is_some());
        assert!(limits.cells_per_user.is_some());
    }

    #[test]
    fn the_agents_own_tables_are_read_from_the_same_file_and_refused_with_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ceiling.toml");
        let load = |more: &str| {
            fs::write(&path, format!("{EXAMPLE}\n{more}")).unwrap();
            Current::load(&path, rustix::process::geteuid().as_raw())
        };
        assert_eq!(load("").unwrap().callers, Callers::default());
        assert_ne!(load("[callers]\nusers = ['a']").unwrap().callers, Callers::default());
        for (more, words) in [
            ("[callers]\nuser = ['a']", "unknown field `user`"),
            ("[callers]\nusers = 1", "invalid type"),
            ("[policy]\nrequire_signed = true", "`policy.keys` is empty"),
            ("[services]\nshow = ['nginx']", "names no unit"),
        ] {
            let refused = load(more).unwrap_err().to_string();
            assert!(refused.contains(words) && refused.contains("line"), "{more}: {refused}");
        }
    }
}
