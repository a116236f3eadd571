//! The highest version of signed rules that this host has acted for, so that a
//! gateway cannot go back to older ones: `policy.json` beside the journal's
//! files.
//!
//! It is written before anything is done for a new version, durably and as a
//! whole. What cannot be read or written is a refusal: a host that forgot what
//! it saw would take anything. Used only where the ceiling requires signed
//! rules.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cofferdam_trust::{PolicyWord, hex};
use serde::{Deserialize, Serialize};

/// The largest file, in bytes.
const MAX_FILE: u64 = 4096;

/// Where the versions of an agent with this journal are kept.
#[must_use]
pub fn versions_in(journal: &Path) -> PathBuf {
    journal.join("policy.json")
}

/// What was seen.
#[derive(Debug)]
pub struct Versions {
    path: PathBuf,
    /// As on disk; `None` before the first look.
    seen: Mutex<Option<Seen>>,
}

/// The highest version, and which rules it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    version: u64,
    digest: String,
}

/// Why rules do not count although they are signed.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// Newer ones were here before.
    #[error(
        "the gateway's rules are version {version}, and this host has seen version {seen} already: \
         rules do not go back; load the newest bundle into the gateway"
    )]
    Rollback {
        /// Which they are.
        version: u64,
        /// Which was seen.
        seen: u64,
    },
    /// Two sets of rules claim to be one version.
    #[error(
        "the gateway's rules are version {0}, and this host has seen other rules of that version: \
         sign them again with a higher one"
    )]
    Reused(u64),
    /// What was seen cannot be told.
    #[error(
        "cannot tell which version of the rules this host has seen: `{path}`: {source}; its owner \
         looks at the file, and removes it only to let rules begin anew"
    )]
    File {
        /// Where it is kept.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Versions {
    /// Those that are kept at `path`; nothing is read yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::default() }
    }

    /// Takes rules that are no older than any before. May wait for the disk.
    ///
    /// # Errors
    /// See [`VersionError`].
    pub fn take(&self, word: &PolicyWord) -> Result<(), VersionError> {
        let mut known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |source| VersionError::File { path: self.path.clone(), source };
        let seen = match known.take() {
            Some(seen) => seen,
            None => read(&self.path).map_err(failed)?,
        };
        let seen = known.insert(seen);
        let now = Seen { version: word.version, digest: hex(&word.digest) };
        if now == *seen {
            return Ok(());
        }
        if now.version < seen.version {
            return Err(VersionError::Rollback { version: now.version, seen: seen.version });
        }
        if now.version == seen.version {
            return Err(VersionError::Reused(now.version));
        }
        write(&self.path, &now).map_err(failed)?;
        *seen = now;
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Seen> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::default()),
        opened => opened?.take(MAX_FILE + 1).read_to_end(&mut bytes)?,
    };
    Ok(serde_json::from_slice(&bytes)?)
}

fn write(path: &Path, seen: &Seen) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(seen)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // The new name is durable with its directory.
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use cofferdam_trust::{SigningKey, TrustedKeys, sign_policy, verify_policy};

    use super::*;

    fn word(version: u64, digest: u8) -> PolicyWord {
        let key = SigningKey::generate().unwrap();
        let signed = sign_policy(&key, [digest; 32], version, UNIX_EPOCH);
        verify_policy(&TrustedKeys::from_iter([key.public_key()]), &signed).unwrap()
    }

    #[test]
    fn versions_never_go_back_not_even_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = versions_in(directory.path());
        let versions = Versions::new(path.clone());
        versions.take(&word(3, 1)).unwrap();
        versions.take(&word(3, 1)).unwrap();
        versions.take(&word(5, 2)).unwrap();
        for versions in [versions, Versions::new(path)] {
            let refused = versions.take(&word(4, 1)).unwrap_err();
            assert!(matches!(refused, VersionError::Rollback { version: 4, seen: 5 }));
            assert!(matches!(versions.take(&word(5, 3)), Err(VersionError::Reused(5))));
            versions.take(&word(5, 2)).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_read_or_written_is_a_refusal() {
        let directory = tempfile::tempdir().unwrap();
        let path = versions_in(directory.path());
        for broken in ["", "{}", "{\"version\":1,\"digest\":\"\",\"more\":1}"] {
            fs::write(&path, broken).unwrap();
            let refused = Versions::new(path.clone()).take(&word(1, 1)).unwrap_err();
            assert!(matches!(refused, VersionError::File { .. }), "{broken}: {refused}");
        }
        let nowhere = Versions::new(directory.path().join("missing/policy.json"));
        assert!(nowhere.take(&word(1, 1)).is_err());
        assert!(nowhere.take(&word(1, 1)).is_err());
    }
}
