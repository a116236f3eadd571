//! The gateway's configuration: one TOML file, read once, resolved completely
//! before anything is opened or bound.
//!
//! Words:
//! - **raw**: what the file says, with unknown keys refused (`raw`).
//! - **resolved**: what the program uses. Paths are joined to the file's
//!   directory, names are checked, references between tables hold.
//!
//! Invariant: a [`Config`] is consistent in itself; whoever holds one never
//! checks it again. Every error names the file, the line and the key.

mod raw;
mod resolve;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_authority::Settings;
use cofferdam_trust::TrustedKeys;

use crate::roster::Roster;

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// A gateway's configuration, resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// The gateway's name; also the last part of its URI name.
    pub name: String,
    /// Where MCP clients are served.
    pub listen: SocketAddr,
    /// Which `Host` and `Origin` headers are accepted.
    pub front: Front,
    /// How MCP clients reach the gateway: TLS, or plain on loopback.
    pub tls: Option<KeyPair>,
    /// Who the gateway is towards agents; none: as its authority certifies it.
    pub identity: Option<IdentityFiles>,
    /// The authority that hosts join by; there is one where there is no `identity`.
    pub authority: Option<AuthorityConfig>,
    /// The Ed25519 key that signs intents and checkpoints.
    pub signing_key: PathBuf,
    /// Where the journal's segments are.
    pub journal: PathBuf,
    /// The SQLite file with the tokens.
    pub state: PathBuf,
    /// The file with the rules.
    pub rules: PathBuf,
    /// Who may sign the rules, which are a bundle then; nobody: plain files.
    pub rules_keys: TrustedKeys,
    /// A file with rules that only look on: what they would decide otherwise is
    /// recorded.
    pub rules_shadow: Option<PathBuf>,
    /// The hosts and projects that the file names.
    pub roster: Roster,
    /// Where hosts dial in; none: nobody can.
    pub hosts_listen: Option<HostsListenConfig>,
    /// Where metrics are asked for; none: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// How people agree to what a rule asks about.
    pub approvals: ApprovalsConfig,
    /// The sessions that callers open.
    pub sessions: SessionsConfig,
    /// How much of everything.
    pub limits: Limits,
    /// Whom a caller who is refused can have asked for other rules.
    pub contact: Option<String>,
}

/// Which names the gateway answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// What clients are told, `name` or `name:port`; none: the bound address.
    pub public: Option<String>,
    /// Accepted `Host` headers: `name` or `name:port`.
    pub hosts: Vec<String>,
    /// Accepted `Origin` headers: `scheme://name:port`, `*` for any port.
    pub origins: Vec<String>,
}

/// A certificate chain and its private key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The chain, own certificate first.
    pub certificate: PathBuf,
    /// PKCS#8.
    pub key: PathBuf,
}

/// The gateway's identity towards agents, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The gateway's certificate and key.
    pub own: KeyPair,
    /// The authorities that agents' certificates come from.
    pub authorities: PathBuf,
}

/// The authority that hosts join by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What hosts are told, `name:port`; none: the bound address.
    pub address: Option<String>,
    /// The trust domain of all that it certifies.
    pub trust_domain: String,
    /// The rest of it.
    pub settings: Settings,
}

/// Where hosts dial in that the gateway cannot dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsListenConfig {
    /// The address.
    pub address: SocketAddr,
    /// Connections of hosts at the same time.
    pub connections: NonZeroUsize,
    /// Connections that have not proved yet whose they are: of all, and from one
    /// address (of IPv6: one network of 64 bits).
    pub strangers: NonZeroUsize,
    /// See above.
    pub strangers_per_address: NonZeroUsize,
}

/// How people agree to what a rule asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalsConfig {
    /// The SQLite file with the requests.
    pub state: PathBuf,
    /// How long a call is left without an answer while people are asked; after
    /// that its caller is told how to find the result.
    pub patience: Duration,
    /// Requests that may be open at the same time.
    pub open_requests: NonZeroUsize,
    /// Requests of one user that may be open at the same time.
    pub open_per_user: NonZeroUsize,
    /// Whom to tell of requests.
    pub webhook: Option<WebhookConfig>,
}

/// Whom to tell of requests for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// `https`, or `http` to loopback.
    pub url: String,
    /// The file with the secret that messages are signed with.
    pub secret: PathBuf,
}

/// The sessions that callers open: their working contexts. Those of MCP's transport
/// are another thing, in [`Limits`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionsConfig {
    /// The SQLite file with them.
    pub state: PathBuf,
    /// Those that one user may have at the same time.
    pub per_user: NonZeroUsize,
    /// How long one may be unused before it is forgotten.
    pub idle: Duration,
}

/// How much of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request's body.
    pub body_bytes: NonZeroUsize,
    /// Bytes of all requests of one user that are read or worked on.
    pub body_bytes_per_subject: NonZeroUsize,
    /// Requests of one user a second, over ten seconds.
    pub requests_per_second_per_subject: NonZeroUsize,
    /// MCP sessions at the same time (revisions before 2026-07-28).
    pub sessions: NonZeroUsize,
    /// MCP sessions of one user.
    pub sessions_per_subject: NonZeroUsize,
    /// How long a session may be silent.
    pub session_idle: Duration,
    /// TCP connections at the same time.
    pub connections: NonZeroUsize,
    /// Calls at the same time.
    pub concurrent_calls: NonZeroUsize,
    /// Calls of one user at the same time.
    pub concurrent_calls_per_subject: NonZeroUsize,
    /// How long a call waits for a free place before it is refused.
    pub queue: Duration,
    /// Bytes of output that one result shows.
    pub result_bytes: NonZeroUsize,
}

#[cfg(test)]
impl Limits {
    /// One of everything, for tests of single limits.
    pub(crate) fn smallest() -> Self {
        let one = NonZeroUsize::MIN;
        Self {
            body_bytes: one,
            body_bytes_per_subject: one,
            requests_per_second_per_subject: one,
            sessions: one,
            sessions_per_subject: one,
            session_idle: Duration::ZERO,
            connections: one,
            concurrent_calls: one,
            concurrent_calls_per_subject: one,
            queue: Duration::ZERO,
            result_bytes: one,
        }
    }
}

/// Why a configuration was not taken. Nothing was opened or bound.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not TOML, or has an unknown key or a value of a wrong type.
    #[error("the configuration file `{path}` is not a gateway's configuration: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// With line, column and key.
        source: Box<toml::de::Error>,
    },
    /// A value is well-formed and cannot be meant.
    #[error("the configuration file `{path}`, line {line}, key `{key}`: {problem}")]
    Value {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The key with its table.
        key: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

impl Config {
    /// Reads and resolves the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_bounded(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Resolves `text` as if it stood in the file `path`: relative paths start
    /// at its directory.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let raw = toml::from_str(text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        resolve::Resolver::new(path, text).resolve(raw)
    }
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!("longer than {MAX_FILE} bytes"),
        ));
    }
    Ok(text)
}

#[cfg(test)]
pub(crate) mod tests;
