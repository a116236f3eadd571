//! The host owner's freeze: nothing new starts here until it is lifted.
//!
//! It is a flag file, and stands in two places: beside the local socket, which is
//! in memory where packages run the agent, and beside the journal, which outlasts a
//! restart of the host. One of them is enough, so that a full or missing disk does
//! not keep an owner from stopping the host. The agent looks before each start;
//! what cannot be looked at counts as frozen.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cofferdam_journal::PeerStep;

use crate::config::Config;
use crate::pipeline::Agent;

/// The flag's name.
const FLAG: &str = "frozen";
/// How often a change is looked for, to tell of it.
const GLANCE: Duration = Duration::from_secs(1);

/// Where the flag is looked for.
#[derive(Debug, Clone)]
pub struct Freeze {
    places: Vec<PathBuf>,
}

/// Why nothing starts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Frozen {
    /// The owner froze the host.
    #[error("the owner of this host froze it: nothing new starts until they lift that")]
    ByOwner,
    /// Nobody can tell whether the owner did.
    #[error("cannot tell whether the owner of this host froze it ({0}): nothing new starts")]
    Unknown(String),
}

/// Why a host was not frozen, or is frozen still.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} `{path}`: {source}")]
pub struct FlagError {
    verb: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Freeze {
    /// For the agent of this configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let beside_socket = config.control.parent().map(Path::to_owned);
        Self { places: beside_socket.into_iter().chain([config.journal.clone()]).collect() }
    }

    /// Whether something may start.
    ///
    /// # Errors
    /// Where it may not.
    pub fn check(&self) -> Result<(), Frozen> {
        for place in &self.places {
            let flag = place.join(FLAG);
            match flag.symlink_metadata() {
                Ok(_) => return Err(Frozen::ByOwner),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Frozen::Unknown(format!("{}: {error}", flag.display()))),
            }
        }
        Ok(())
    }

    /// Raises the flag wherever that is possible, durably; gives where it was not.
    ///
    /// # Errors
    /// Where no place took it: nothing is frozen.
    pub fn raise(&self) -> Result<Vec<FlagError>, FlagError> {
        let (mut failed, mut raised) = (Vec::new(), 0);
        for place in &self.places {
            match raise(place) {
                Ok(()) => raised += 1,
                Err(source) => {
                    let path = place.join(FLAG);
                    failed.push(FlagError { verb: "create", path, source });
                }
            }
        }
        match failed.pop() {
            Some(error) if raised == 0 => Err(error),
            last => Ok(failed.into_iter().chain(last).collect()),
        }
    }

    /// Takes the flag down everywhere; gives whether it was up.
    ///
    /// # Errors
    /// Where it stays up in some place: the host is frozen still.
    pub fn lift(&self) -> Result<bool, FlagError> {
        let mut was_up = false;
        for place in &self.places {
            let path = place.join(FLAG);
            match fs::remove_file(&path) {
                Ok(()) => {
                    was_up = true;
                    let synced = File::open(place).and_then(|place| place.sync_all());
                    synced.map_err(|source| FlagError { verb: "make durable", path, source })?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(FlagError { verb: "remove", path, source }),
            }
        }
        Ok(was_up)
    }
}

/// Tells log and journal when the owner freezes the host or lifts that. The flag
/// itself is looked at before each start.
pub async fn watch(agent: Arc<Agent>) {
    let mut known = false;
    loop {
        let frozen = agent.freeze.check().err();
        if frozen.is_some() != known {
            known = frozen.is_some();
            if let Some(frozen) = frozen {
                tracing::warn!("{frozen}");
                agent.recorder.note(PeerStep::Frozen, "host owner", &frozen.to_string());
            } else {
                tracing::info!("the owner of this host lifted its freeze");
                agent.recorder.note(PeerStep::Unfrozen, "host owner", "");
            }
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// An empty file; one that is there is as good.
fn raise(place: &Path) -> io::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place.join(FLAG));
    match made {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    File::open(place)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freeze(directory: &Path) -> Freeze {
        let places = ["run", "journal"].map(|place| directory.join(place));
        for place in &places {
            fs::create_dir(place).unwrap();
        }
        Freeze { places: places.into() }
    }

    #[test]
    fn a_flag_in_either_place_freezes_and_lifting_takes_down_both() {
        let directory = tempfile::tempdir().unwrap();
        let freeze = freeze(directory.path());
        assert_eq!(freeze.check(), Ok(()));
        assert!(!freeze.lift().unwrap());
        assert!(freeze.raise().unwrap().is_empty());
        assert!(freeze.raise().unwrap().is_empty());
        for place in ["run", "journal"] {
            fs::remove_file(directory.path().join(place).join(FLAG)).unwrap();
            assert_eq!(freeze.check().is_err(), place == "run", "{place}");
        }
        freeze.raise().unwrap();
        assert!(freeze.lift().unwrap());
        assert_eq!(freeze.check(), Ok(()));
    }

    #[test]
    fn a_place_that_is_gone_does_not_keep_the_other_from_freezing() {
        let directory = tempfile::tempdir().unwrap();
        let freeze = freeze(directory.path());
        fs::remove_dir(directory.path().join("journal")).unwrap();
        assert_eq!(freeze.raise().unwrap().len(), 1);
        assert_eq!(freeze.check(), Err(Frozen::ByOwner));
        fs::remove_dir_all(directory.path().join("run")).unwrap();
        assert!(freeze.raise().is_err());
    }

    #[test]
    fn what_cannot_be_looked_at_is_frozen() {
        let directory = tempfile::tempdir().unwrap();
        let freeze = freeze(directory.path());
        fs::remove_dir(directory.path().join("run")).unwrap();
        fs::write(directory.path().join("run"), "").unwrap();
        assert!(matches!(freeze.check(), Err(Frozen::Unknown(_))));
        assert!(freeze.lift().is_err());
    }
}
