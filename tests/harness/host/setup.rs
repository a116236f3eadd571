//! How a host is to be different from the usual one.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::warden::is_root;

/// How a host is to be different from the usual one.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What it is called; hosts beside each other differ in it.
    pub name: String,
    /// Cells that the ceiling allows at the same time.
    pub cells: usize,
    /// Cells that the agent prepares.
    pub stock: usize,
    /// Calls at the same time.
    pub runs: usize,
    /// Seconds that the agent keeps ended runs.
    pub kept_seconds: u64,
    /// Uids for cells, `FIRST-LAST`; empty: the usual ones.
    pub leases: String,
    /// Shell lines for a mount namespace of the warden's own before it starts;
    /// `$WORK` is the directory of workspaces. Empty: the test's own namespace.
    pub mounts: String,
    /// Profiles of the host's own: name and text.
    pub profiles: Vec<(String, String)>,
    /// Directories of programs beside those of /usr.
    pub programs: Vec<PathBuf>,
    /// The ceiling lets cells lack layers; always so where an ordinary user
    /// starts it.
    pub allow_degraded: bool,
    /// A variable that agent and warden have.
    pub variable: (String, String),
    /// A network proxy, if there is to be one.
    pub proxy: Option<Proxied>,
    /// Where it listens; port 0: wherever the system says, and there from then on.
    pub listen: SocketAddr,
    /// It joins by [`super::Host::enroll`] and has no certificate before.
    pub joins: bool,
}

/// What a host's network proxy is started with.
#[derive(Debug, Clone)]
pub struct Proxied {
    /// Where it resolves names.
    pub name_server: SocketAddr,
    /// What the ceiling lets through.
    pub destinations: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            name: "test".to_owned(),
            cells: 64,
            stock: 2,
            runs: 64,
            kept_seconds: 3600,
            leases: String::new(),
            mounts: String::new(),
            profiles: Vec::new(),
            programs: Vec::new(),
            allow_degraded: !is_root(),
            variable: ("COFFERDAM_TESTED".to_owned(), "yes".to_owned()),
            proxy: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            joins: false,
        }
    }
}
