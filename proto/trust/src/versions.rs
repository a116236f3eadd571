//! The highest version of signed rules that was taken here, so that rules never
//! go back to older ones. A gateway keeps it beside its state, an agent beside
//! its journal.
//!
//! The file is written before the rules count, durably and as a whole. What
//! cannot be read or written is a refusal: who forgot what they saw would take
//! anything.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::digest::hex;
use crate::policy::PolicyWord;

/// The largest file, in bytes.
const MAX_FILE: u64 = 4096;

/// What was taken.
#[derive(Debug)]
pub struct PolicyVersions {
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
pub enum PolicyVersionError {
    /// Newer ones were here before.
    #[error(
        "the signed rules are version {version}, and version {seen} was taken here already: rules do \
         not go back; load the newest bundle into the gateway, or sign these with a higher version"
    )]
    Rollback {
        /// Which they are.
        version: u64,
        /// Which was taken.
        seen: u64,
    },
    /// Two sets of rules claim to be one version.
    #[error(
        "the signed rules are version {0}, and other rules of that version were taken here already: \
         sign these with a higher one"
    )]
    Reused(u64),
    /// What was taken cannot be told.
    #[error(
        "cannot tell which version of signed rules was taken here: `{path}`: {source}; mend it, and \
         remove it only to let versions begin anew"
    )]
    File {
        /// Where it is kept.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PolicyVersions {
    /// Those that are kept at `path`; nothing is read yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::default() }
    }

    /// Takes rules that are no older than any before. May wait for the disk.
    ///
    /// # Errors
    /// See [`PolicyVersionError`].
    pub fn take(&self, word: &PolicyWord) -> Result<(), PolicyVersionError> {
        let mut known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |source| PolicyVersionError::File { path: self.path.clone(), source };
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
            return Err(PolicyVersionError::Rollback { version: now.version, seen: seen.version });
        }
        if now.version == seen.version {
            return Err(PolicyVersionError::Reused(now.version));
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

    use super::*;
    use crate::{SigningKey, TrustedKeys, sign_policy, verify_policy};

    fn word(version: u64, digest: u8) -> PolicyWord {
        let key = SigningKey::generate().unwrap();
        let signed = sign_policy(&key, [digest; 32], version, UNIX_EPOCH);
        verify_policy(&TrustedKeys::from_iter([key.public_key()]), &signed).unwrap()
    }

    #[test]
    fn versions_never_go_back_not_even_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.json");
        let versions = PolicyVersions::new(path.clone());
        versions.take(&word(3, 1)).unwrap();
        versions.take(&word(3, 1)).unwrap();
        versions.take(&word(5, 2)).unwrap();
        for versions in [versions, PolicyVersions::new(path)] {
            let refused = versions.take(&word(4, 1)).unwrap_err();
            assert!(matches!(refused, PolicyVersionError::Rollback { version: 4, seen: 5 }));
            assert!(matches!(versions.take(&word(5, 3)), Err(PolicyVersionError::Reused(5))));
            versions.take(&word(5, 2)).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_read_or_written_is_a_refusal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.json");
        for broken in ["", "{}", "{\"version\":1,\"digest\":\"\",\"more\":1}"] {
            fs::write(&path, broken).unwrap();
            let refused = PolicyVersions::new(path.clone()).take(&word(1, 1)).unwrap_err();
            assert!(matches!(refused, PolicyVersionError::File { .. }), "{broken}: {refused}");
        }
        let nowhere = PolicyVersions::new(directory.path().join("missing/policy.json"));
        assert!(nowhere.take(&word(1, 1)).is_err());
        assert!(nowhere.take(&word(1, 1)).is_err());
    }
}
