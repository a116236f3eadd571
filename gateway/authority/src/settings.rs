//! What the authority is told before it starts. The gateway's configuration makes it
//! (`[authority]`), and so do tests, with lifetimes of seconds.

use std::path::PathBuf;
use std::time::Duration;

/// Whether the owner has to approve hosts that showed their token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Approval {
    /// A host waits until it is approved.
    #[default]
    Required,
    /// The token is enough.
    None,
}

/// The authority's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the certificate authority is (`ca.crt`, `ca.key`, for an intermediate
    /// `root.crt`), with the key that signs trust lists (`trust.key`).
    pub directory: PathBuf,
    /// The SQLite file.
    pub state: PathBuf,
    /// Whether hosts wait for the owner.
    pub approval: Approval,
    /// How long the certificates of hosts, of the gateway and of the listener live.
    pub certificate_lifetime: Duration,
    /// How often in a row a host gets a certificate after its last one lapsed.
    pub reattestations: u32,
    /// How long after it lapsed.
    pub reattest_within: Duration,
    /// How long a trust list says something; a new one follows at half of it.
    pub trust_list_lifetime: Duration,
    /// How long a new generation is only announced before it certifies.
    pub announce: Duration,
    /// How long the generation before it counts besides.
    pub overlap: Duration,
}

impl Settings {
    /// Those of an authority in `directory` with its state at `state` that sets nothing
    /// else.
    #[must_use]
    pub fn new(directory: PathBuf, state: PathBuf) -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            directory,
            state,
            approval: Approval::Required,
            certificate_lifetime: Duration::from_hours(1),
            reattestations: 5,
            reattest_within: 30 * DAY,
            trust_list_lifetime: 7 * DAY,
            // By then, every host that is awake has renewed twice.
            announce: Duration::from_hours(2),
            // As long as a host may sleep.
            overlap: 30 * DAY,
        }
    }
}
