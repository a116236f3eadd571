//! A profile, resolved and checked.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_plan::{AbsolutePath, Layer};

use crate::limits::{Amount, Unit};
use crate::trees::{Tree, minimal};
use crate::{Limits, Network, RelativePath};

/// A profile: everything is said, and every value can be used. Only the crate
/// makes one, from files ([`crate::Profiles::load`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it inherits from, the nearest first.
    pub inherits: Vec<String>,
    /// The workspace may be changed.
    pub write: bool,
    /// Programs in the workspace may be executed.
    pub execute: bool,
    /// What in the workspace stays read-only, with all beneath it, even where
    /// the workspace may be changed.
    pub protect: Vec<RelativePath>,
    /// Host paths that are mounted, read-only.
    pub show: Vec<Tree>,
    /// Host paths that may be read, libraries apart; see [`Self::readable`].
    pub read: Vec<Tree>,
    /// Host programs that may be executed, libraries apart; see
    /// [`Self::executable`].
    pub programs: Vec<Tree>,
    /// Directories of shared libraries and of helpers that programs start.
    pub libraries: Vec<Tree>,
    /// Where a program name is looked up.
    pub search_path: Vec<AbsolutePath>,
    /// The private home.
    pub home: AbsolutePath,
    /// Private writable places, the home first.
    pub scratch: Vec<Scratch>,
    /// What of the network can be reached.
    pub network: Network,
    /// Runs may listen and connect by TCP on the cell's own loopback. Without it
    /// a run connects to nothing but its own listener of the proxy, if its network
    /// leads through one. Always so with the host's network.
    pub loopback: bool,
    /// The name of the seccomp filter; there is one of that name.
    pub filter: String,
    /// Limits where the grant says nothing.
    pub limits: Limits,
    /// How long and how a session's cell lives.
    pub session: Session,
    /// Variables that every run has.
    pub environment: BTreeMap<String, String>,
    /// Names that a request may set although they are reserved.
    pub allowed_variables: BTreeSet<String>,
    /// Layers whose lack is reported instead of refused.
    pub may_lack: BTreeSet<Layer>,
}

/// A private writable place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scratch {
    /// Where.
    pub path: AbsolutePath,
    /// Bytes.
    pub bytes: u64,
    /// Programs in it may be executed.
    pub execute: bool,
}

/// How long and how a session's cell lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Milliseconds after which a cell without a run is ended.
    pub idle_millis: u64,
    /// What a run leaves running may live on until the cell ends.
    pub background: bool,
}

impl Session {
    pub(crate) fn idle(self) -> Amount {
        Amount { key: "session.idle", value: Some(self.idle_millis), unit: Unit::Millis }
    }
}

impl Profile {
    /// Whether whole directories of programs may be executed, not named programs
    /// only. Then nobody can tell which library belongs to which program, and
    /// all of [`Self::libraries`] may be read and executed.
    #[must_use]
    pub fn names_directories(&self) -> bool {
        self.programs.iter().any(|tree| !tree.exact)
    }

    /// What may be read, with libraries where they come as a whole.
    #[must_use]
    pub fn readable(&self) -> Vec<Tree> {
        self.with_libraries(&self.read)
    }

    /// What may be executed, with libraries where they come as a whole.
    #[must_use]
    pub fn executable(&self) -> Vec<Tree> {
        self.with_libraries(&self.programs)
    }

    fn with_libraries(&self, trees: &[Tree]) -> Vec<Tree> {
        let libraries = if self.names_directories() { &self.libraries[..] } else { &[] };
        minimal([trees, libraries].concat())
    }

    /// Whether some protection may be missing.
    #[must_use]
    pub fn allow_degraded(&self) -> bool {
        !self.may_lack.is_empty()
    }
}
