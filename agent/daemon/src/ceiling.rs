//! The ceiling as the agent reads it: anew whenever the file changed, so that
//! an edit counts at the next call. The warden reads it for itself.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_ceiling::{Ceiling, LoadError};
use cofferdam_trust::sha256;

/// A ceiling, and which one it is.
#[derive(Debug)]
pub struct Current {
    /// What it says.
    pub ceiling: Ceiling,
    /// SHA-256 of its file, for the journal.
    pub digest: [u8; 32],
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
        let ceiling = cofferdam_ceiling::load(&self.path, self.owner)?;
        let text =
            fs::read(&self.path).map_err(|source| LoadError::Read(self.path.clone(), source))?;
        let current = Arc::new(Current { ceiling, digest: sha256(&text) });
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
}
