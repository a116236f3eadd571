//! The configuration file as it is written. Unknown keys are refused; what may
//! be left out has its default here, and nowhere else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) name: Spanned<String>,
    #[serde(default = "default_listen")]
    pub(super) listen: Spanned<SocketAddr>,
    #[serde(default)]
    pub(super) public_names: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) allowed_origins: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) insecure_plaintext: bool,
    pub(super) tls: Option<RawKeyPair>,
    pub(super) identity: Option<Spanned<RawIdentity>>,
    pub(super) authority: Option<RawAuthority>,
    pub(super) signing: RawSigning,
    pub(super) journal: RawJournal,
    pub(super) state: PathBuf,
    pub(super) rules: PathBuf,
    pub(super) rules_keys: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) rules_shadow: Option<PathBuf>,
    #[serde(default)]
    pub(super) host: Vec<RawHost>,
    pub(super) hosts_listen: Option<RawHostsListen>,
    pub(super) metrics: Option<RawMetrics>,
    #[serde(default)]
    pub(super) project: Vec<RawProject>,
    pub(super) contact: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) approvals: RawApprovals,
    #[serde(default)]
    pub(super) sessions: RawSessions,
    #[serde(default)]
    pub(super) limits: RawLimits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKeyPair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) authorities: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuthority {
    pub(super) listen: SocketAddr,
    pub(super) address: Option<Spanned<String>>,
    pub(super) directory: PathBuf,
    /// Beside the state file, where it is left out.
    pub(super) state: Option<PathBuf>,
    pub(super) trust_domain: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) approval: RawApproval,
    pub(super) certificate_seconds: Option<Spanned<NonZeroU32>>,
    pub(super) reattestations: Option<u32>,
    pub(super) reattest_within_seconds: Option<NonZeroU32>,
    pub(super) trust_list_seconds: Option<NonZeroU32>,
    pub(super) announce_seconds: Option<NonZeroU32>,
    pub(super) overlap_seconds: Option<Spanned<NonZeroU32>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawApproval {
    #[default]
    Required,
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSigning {
    pub(super) key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJournal {
    pub(super) directory: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHost {
    pub(super) name: Spanned<String>,
    /// Left out: the host dials in.
    pub(super) address: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) agent: Spanned<String>,
    pub(super) key: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHostsListen {
    pub(super) address: SocketAddr,
    #[serde(default = "default_host_connections")]
    pub(super) connections: NonZeroUsize,
    #[serde(default = "default_strangers")]
    pub(super) strangers: NonZeroUsize,
    #[serde(default = "default_strangers_per_address")]
    pub(super) strangers_per_address: NonZeroUsize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMetrics {
    pub(super) listen: SocketAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProject {
    pub(super) name: Spanned<String>,
    pub(super) workspace: Spanned<PathBuf>,
    pub(super) hosts: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawApprovals {
    /// Beside the state file, where it is left out.
    pub(super) state: Option<PathBuf>,
    pub(super) patience_seconds: u64,
    pub(super) open_requests: NonZeroUsize,
    pub(super) open_requests_per_user: NonZeroUsize,
    pub(super) webhook: Option<RawWebhook>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    pub(super) url: Spanned<String>,
    pub(super) secret: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSessions {
    /// Beside the state file, where it is left out.
    pub(super) state: Option<PathBuf>,
    pub(super) per_user: NonZeroUsize,
    pub(super) idle_seconds: NonZeroUsize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub(super) body_bytes: NonZeroUsize,
    pub(super) body_bytes_per_subject: NonZeroUsize,
    pub(super) requests_per_second_per_subject: NonZeroUsize,
    pub(super) sessions: NonZeroUsize,
    pub(super) sessions_per_subject: NonZeroUsize,
    pub(super) session_idle_seconds: NonZeroUsize,
    pub(super) connections: NonZeroUsize,
    pub(super) concurrent_calls: NonZeroUsize,
    pub(super) concurrent_calls_per_subject: NonZeroUsize,
    pub(super) queue_milliseconds: u64,
    pub(super) result_bytes: NonZeroUsize,
}

impl Default for RawApprovals {
    fn default() -> Self {
        Self {
            state: None,
            // Clients give up after a minute.
            patience_seconds: 50,
            open_requests: count(1000),
            open_requests_per_user: count(16),
            webhook: None,
        }
    }
}

impl Default for RawSessions {
    fn default() -> Self {
        // A working day and the night after it.
        Self { state: None, per_user: count(32), idle_seconds: count(24 * 60 * 60) }
    }
}

const fn count(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            // A file of 4 MiB in base64 and its JSON fit, and so do 10 MB of
            // arguments, which are then refused by name and not by size.
            body_bytes: count(12 * 1024 * 1024),
            body_bytes_per_subject: count(48 * 1024 * 1024),
            requests_per_second_per_subject: count(1000),
            sessions: count(2000),
            sessions_per_subject: count(200),
            session_idle_seconds: count(24 * 60 * 60),
            connections: count(4096),
            concurrent_calls: count(256),
            concurrent_calls_per_subject: count(64),
            queue_milliseconds: 2000,
            // Clients cut results at 10 to 50 KB.
            result_bytes: count(24 * 1024),
        }
    }
}

fn default_host_connections() -> NonZeroUsize {
    count(1024)
}

fn default_strangers() -> NonZeroUsize {
    count(256)
}

/// Many hosts may stand behind one address.
fn default_strangers_per_address() -> NonZeroUsize {
    count(64)
}

fn default_listen() -> Spanned<SocketAddr> {
    Spanned::new(0..0, SocketAddr::from(([127, 0, 0, 1], 8460)))
}
