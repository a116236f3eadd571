//! Hosts that the gateway's owner holds back: drained ones get no further runs, frozen
//! ones no calls at all.
//!
//! Said on the gateway's machine (`cofferdam host drain NAME`) into an SQLite file that
//! the running gateway looks at; it holds from then on and over restarts, whatever the
//! rules permit. Only the gateway writes its journal, so it is the gateway that records
//! each change when it notices it: what holds back counts at once, what lets go once it
//! is recorded.

mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use cofferdam_journal::{Peer, PeerStep};
use jiff::Timestamp;

use crate::database::DatabaseError;
use store::Store;

/// How one host is held back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldBack {
    /// It gets no further runs.
    pub drained: Option<Since>,
    /// It gets no calls.
    pub frozen: Option<Since>,
}

/// Since when, by whom and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// Seconds since 1970.
    pub at: u64,
    /// The user of the gateway's machine who said so.
    pub by: String,
    /// In their words; may be empty.
    pub reason: String,
}

/// How a host is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// No further runs.
    Drain,
    /// No calls.
    Freeze,
}

/// One word of the gateway's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    id: i64,
    host: String,
    hold: Hold,
    /// Holds back from then on, or lets go.
    holds: bool,
    since: Since,
}

/// The file with all of it.
#[derive(Debug)]
pub struct Holds(Store);

/// Why what holds hosts back cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum HoldsError {
    /// The file cannot be used.
    #[error(transparent)]
    Open(#[from] DatabaseError),
    /// A statement failed.
    #[error("the file of held hosts failed: {0}")]
    Statement(#[from] rusqlite::Error),
    /// What is there is not what this program writes.
    #[error("the file of held hosts says `{0}`, which this program does not know")]
    Unknown(String),
}

impl Holds {
    /// The file, beside the tokens' file at `state`.
    #[must_use]
    pub fn beside(state: &Path) -> PathBuf {
        state.with_file_name("hosts.sqlite")
    }

    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// Where it cannot be used.
    pub fn open(path: &Path) -> Result<Self, HoldsError> {
        Ok(Self(Store::open(path)?))
    }

    /// Holds `host` back, or lets it go; tells whether that changed something.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn set(
        &self,
        host: &str,
        hold: Hold,
        holds: bool,
        since: &Since,
    ) -> Result<bool, HoldsError> {
        self.0.set(host, hold, holds, since)
    }

    /// The hosts that are held back, and how.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn now(&self) -> Result<BTreeMap<String, HeldBack>, HoldsError> {
        self.0.now()
    }

    /// A number that is another one once somebody else has written.
    pub(crate) fn version(&self) -> Result<i64, HoldsError> {
        self.0.version()
    }

    /// What is not in the journal yet, the oldest first.
    pub(crate) fn unrecorded(&self) -> Result<Vec<Change>, HoldsError> {
        self.0.unrecorded()
    }

    /// It is in the journal.
    pub(crate) fn recorded(&self, change: &Change) -> Result<(), HoldsError> {
        self.0.recorded(change.id)
    }
}

impl HeldBack {
    /// `drained` or `frozen`, which is more; none: it is not held back.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self { frozen: Some(_), .. } => Some("frozen"),
            Self { drained: Some(_), .. } => Some("drained"),
            Self { .. } => None,
        }
    }
}

impl Hold {
    fn name(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Freeze => "freeze",
        }
    }
}

impl Change {
    /// For the journal.
    pub(crate) fn record(&self) -> Peer {
        let Self { id: _, host, hold, holds, since: Since { at: _, by, reason } } = self;
        let step = match (hold, holds) {
            (Hold::Drain, true) => PeerStep::Drained,
            (Hold::Drain, false) => PeerStep::Undrained,
            (Hold::Freeze, true) => PeerStep::Frozen,
            (Hold::Freeze, false) => PeerStep::Unfrozen,
        };
        Peer { peer: host.clone(), step, by: by.clone(), detail: reason.clone() }
    }
}

/// ` since … by …: why`, to stand behind what holds.
impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, by, reason } = self;
        let at = i64::try_from(*at).ok().and_then(|at| Timestamp::from_second(at).ok());
        if let Some(at) = at {
            write!(f, " since {at}")?;
        }
        if !by.is_empty() {
            write!(f, " by {by}")?;
        }
        if !reason.is_empty() {
            write!(f, " ({reason})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(reason: &str) -> Since {
        Since { at: 1_700_000_000, by: "root".to_owned(), reason: reason.to_owned() }
    }

    fn holds() -> (tempfile::TempDir, Holds, Holds) {
        let directory = tempfile::tempdir().unwrap();
        let path = Holds::beside(&directory.path().join("state.sqlite"));
        let both = (Holds::open(&path).unwrap(), Holds::open(&path).unwrap());
        (directory, both.0, both.1)
    }

    #[test]
    fn a_host_is_drained_and_frozen_each_by_itself() {
        let (_directory, said, seen) = holds();
        assert!(said.set("a", Hold::Drain, true, &since("disks")).unwrap());
        assert!(said.set("a", Hold::Freeze, true, &since("")).unwrap());
        let now = seen.now().unwrap();
        assert_eq!(now["a"].drained, Some(since("disks")));
        assert_eq!(now["a"].name(), Some("frozen"));
        assert!(said.set("a", Hold::Freeze, false, &since("")).unwrap());
        assert_eq!(seen.now().unwrap()["a"].name(), Some("drained"));
        assert!(said.set("a", Hold::Drain, false, &since("")).unwrap());
        assert!(seen.now().unwrap().is_empty());
    }

    #[test]
    fn what_changes_nothing_leaves_no_record() {
        let (_directory, said, seen) = holds();
        assert!(!said.set("a", Hold::Drain, false, &since("")).unwrap());
        assert!(said.set("a", Hold::Drain, true, &since("")).unwrap());
        assert!(!said.set("a", Hold::Drain, true, &since("again")).unwrap());
        assert_eq!(seen.unrecorded().unwrap().len(), 1);
    }

    #[test]
    fn another_process_sees_that_something_changed_and_records_each_change_once() {
        let (_directory, said, seen) = holds();
        let before = seen.version().unwrap();
        assert_eq!(seen.version().unwrap(), before);
        said.set("a", Hold::Drain, true, &since("disks")).unwrap();
        assert_ne!(seen.version().unwrap(), before);
        let changes = seen.unrecorded().unwrap();
        let Peer { peer, step, by, detail } = changes[0].record();
        assert_eq!((peer.as_str(), step), ("a", PeerStep::Drained));
        assert_eq!((by.as_str(), detail.as_str()), ("root", "disks"));
        seen.recorded(&changes[0]).unwrap();
        assert!(seen.unrecorded().unwrap().is_empty());
    }
}
