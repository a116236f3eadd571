//! `agent.toml`: read once, checked, and turned into a [`Config`] before
//! anything is touched.
//!
//! Relative paths start at the file's own directory. Unknown keys are refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cofferdam_ceiling::Bytes;
use cofferdam_trust::{KeyError, VerifyingKey, check_address};
use serde::Deserialize;

use crate::{control, credential};

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// The signing key of an enrolled host, in the directory of its identity.
const SIGNING_KEY: &str = "signing.key";

/// What the agent runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// This host's name; intents for another are refused. Empty: as its certificate
    /// says it.
    pub name: String,
    /// What the host is, in the owner's words.
    pub labels: BTreeMap<String, String>,
    /// Where gateways connect to; none: nowhere, the agent only dials.
    pub listen: Option<SocketAddr>,
    /// Gateways that the agent dials, HOST:PORT each.
    pub dial: Vec<String>,
    /// The host owner's ceiling file.
    pub ceiling: PathBuf,
    /// A directory of the host's own profiles.
    pub profiles: Option<PathBuf>,
    /// The warden's socket; not needed where one is inherited.
    pub warden: Option<PathBuf>,
    /// The network proxy's socket; without it no cell has a way out.
    pub proxy: Option<PathBuf>,
    /// Where the authority is that this host enrolled with (HOST:PORT), once that is
    /// known: [`crate::enrolment::address`].
    pub authority: Option<String>,
    /// The local socket by which the host's owner asks the agent.
    pub control: PathBuf,
    /// The file worker.
    pub worker: PathBuf,
    /// Where certificate, key and authorities for TLS are.
    pub identity: IdentityPlaces,
    /// The key that signs receipts and checkpoints.
    pub signing_key: PathBuf,
    /// Whether the service manager gives that key, so that none is made here.
    pub signing_key_is_given: bool,
    /// The keys of gateways whose intents are believed.
    pub gateways: Vec<VerifyingKey>,
    /// The journal's directory.
    pub journal: PathBuf,
    /// Where the service manager and its journal are.
    pub services: ServicePlaces,
    /// The agent's own limits.
    pub limits: Limits,
}

/// Where the service manager and its journal are. What of them is told, the
/// ceiling says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServicePlaces {
    /// The socket of the system bus.
    pub bus: PathBuf,
    /// Directories of journals, each with one directory for each machine.
    pub journals: Vec<PathBuf>,
}

impl Default for ServicePlaces {
    /// dbus-daemon(1), systemd-journald.service(8).
    fn default() -> Self {
        Self {
            bus: "/run/dbus/system_bus_socket".into(),
            journals: vec!["/var/log/journal".into(), "/run/log/journal".into()],
        }
    }
}

/// Where a TLS identity is kept; in one of both at least.
#[derive(Debug, Clone)]
pub struct IdentityPlaces {
    /// The directory of an identity that `cofferdam-agent enroll` got; once there is
    /// one, it is the one that counts.
    pub directory: Option<PathBuf>,
    /// Files that were made by hand.
    pub files: Option<IdentityFiles>,
}

/// The files of a TLS identity.
#[derive(Debug, Clone)]
pub struct IdentityFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities to believe.
    pub authorities: PathBuf,
}

/// The agent's own limits.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls that hold a cell at the same time.
    pub runs: usize,
    /// Cells that are prepared for whoever comes next.
    pub stock: usize,
    /// Ended runs that can still be described and attached to.
    pub kept_runs: usize,
    /// The same of one user.
    pub kept_runs_per_user: usize,
    /// Seconds for which they can.
    pub kept_seconds: u64,
    /// Bytes of each output stream that are held for readers.
    pub spool: Bytes,
    /// Bytes of output that all runs hold together; beyond, each that prints has
    /// an equal share.
    pub held_output: Bytes,
    /// Bytes of output that ended runs hold together.
    pub kept_output: Bytes,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            runs: 64,
            stock: 4,
            kept_runs: 256,
            kept_runs_per_user: 64,
            kept_seconds: 3600,
            spool: Bytes(2 << 20),
            held_output: Bytes(16 << 20),
            kept_output: Bytes(8 << 20),
        }
    }
}

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too long.
    #[error("the configuration `{0}` is longer than {MAX_FILE} bytes")]
    TooLong(PathBuf),
    /// The text is no configuration; with line, column and key.
    #[error("the configuration `{path}`: {source}")]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key of a gateway is none.
    #[error("the configuration `{path}`: `gateways.keys[{index}]`: {source}")]
    GatewayKey {
        /// Which.
        path: PathBuf,
        /// The key's place in the list.
        index: usize,
        /// Why.
        source: KeyError,
    },
    /// A value cannot be used.
    #[error("the configuration `{path}`: `{key}` {problem}")]
    Value {
        /// Which.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    listen: Option<SocketAddr>,
    #[serde(default)]
    gateway: GatewaySection,
    ceiling: PathBuf,
    profiles: Option<PathBuf>,
    warden: Option<PathBuf>,
    proxy: Option<PathBuf>,
    control: Option<PathBuf>,
    worker: Option<PathBuf>,
    identity: IdentitySection,
    #[serde(default)]
    signing: SigningSection,
    #[serde(default)]
    gateways: GatewaysSection,
    journal: JournalSection,
    #[serde(default)]
    services: ServicePlaces,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentitySection {
    directory: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    authorities: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningSection {
    key: Option<PathBuf>,
    credential: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GatewaySection {
    dial: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GatewaysSection {
    keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalSection {
    directory: PathBuf,
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read { path: path.into(), source };
        let size = std::fs::metadata(path).map_err(read)?.len();
        if size > MAX_FILE {
            return Err(ConfigError::TooLong(path.into()));
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let path = std::path::absolute(path).map_err(read)?;
        Self::parse(&path, &text)
    }

    /// Checks the text of the file at the absolute `path`.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text)
            .map_err(|source| ConfigError::Parse { path: path.into(), source: Box::new(source) })?;
        let base = path.parent().unwrap_or(Path::new("/"));
        let at = |relative: PathBuf| base.join(relative);
        let value = |key, problem: &str| ConfigError::Value {
            path: path.into(),
            key,
            problem: problem.to_owned(),
        };
        if !file.name.is_empty() && !is_name(&file.name) {
            return Err(value("name", "must be 1 to 63 letters, digits, `.`, `-` or `_`"));
        }
        let identity = identity(file.identity, base).map_err(|it| value("identity", it))?;
        if file.gateways.keys.is_empty() && identity.directory.is_none() {
            return Err(value("gateways.keys", "is empty: no gateway could ever call this host"));
        }
        let signing_key_is_given = file.signing.credential.is_some();
        let signing_key = signing_key(file.signing, base, identity.directory.as_deref())
            .map_err(|problem| value("signing", problem))?;
        if file.listen.is_none() && file.gateway.dial.is_empty() {
            let problem = "is missing: give it, or `gateway.dial` for a host that no gateway can \
                           dial";
            return Err(value("listen", problem));
        }
        for address in &file.gateway.dial {
            check_address(address).map_err(|error| value("gateway.dial", &error.to_string()))?;
        }
        if file.limits.runs == 0 || file.limits.spool.0 < 64 * 1024 {
            return Err(value("limits", "needs at least one run and a spool of 64KiB"));
        }
        Ok(Self {
            gateways: gateway_keys(path, &file.gateways.keys)?,
            name: file.name,
            labels: file.labels,
            listen: file.listen,
            dial: file.gateway.dial,
            authority: None,
            ceiling: at(file.ceiling),
            profiles: file.profiles.map(at),
            warden: file.warden.map(at),
            proxy: file.proxy.map(at),
            control: at(file.control.unwrap_or_else(|| control::SOCKET.into())),
            worker: file
                .worker
                .map_or_else(worker_beside, |worker| Ok(at(worker)))
                .map_err(|source| ConfigError::Read { path: "/proc/self/exe".into(), source })?,
            identity,
            signing_key,
            signing_key_is_given,
            journal: at(file.journal.directory),
            services: ServicePlaces {
                bus: at(file.services.bus),
                journals: file.services.journals.into_iter().map(at).collect(),
            },
            limits: file.limits,
        })
    }
}

impl Config {
    /// The ports that the agent connects to.
    pub fn dialled_ports(&self) -> impl Iterator<Item = u16> {
        let all = self.dial.iter().chain(&self.authority);
        all.filter_map(|address| address.rsplit_once(':')?.1.parse().ok())
    }

    /// Whether it has to look names up for that.
    #[must_use]
    pub fn dials_names(&self) -> bool {
        let mut all = self.dial.iter().chain(&self.authority);
        all.any(|address| address.parse::<SocketAddr>().is_err())
    }
}

/// Where the identity is: in a directory, in files, or in one of both.
fn identity(section: IdentitySection, base: &Path) -> Result<IdentityPlaces, &'static str> {
    let IdentitySection { directory, certificate, key, authorities } = section;
    let files = match (certificate, key, authorities) {
        (Some(certificate), Some(key), Some(authorities)) => Some(IdentityFiles {
            certificate: base.join(certificate),
            key: base.join(key),
            authorities: base.join(authorities),
        }),
        (None, None, None) => None,
        _ => return Err("names some of `certificate`, `key` and `authorities`, and needs all"),
    };
    if directory.is_none() && files.is_none() {
        return Err("names neither a `directory` nor files");
    }
    Ok(IdentityPlaces { directory: directory.map(|it| base.join(it)), files })
}

/// The signing key that is configured, if it is there; else that of an enrolled host,
/// which makes its own and could not write where configurations are. A credential
/// counts whether it is there or not: another key would be another host.
fn signing_key(
    section: SigningSection,
    base: &Path,
    directory: Option<&Path>,
) -> Result<PathBuf, &'static str> {
    let SigningSection { key, credential } = section;
    let own = directory.map(|it| it.join(SIGNING_KEY));
    match (key.map(|it| base.join(it)), credential, own) {
        (Some(_), Some(_), _) => Err("names both a `key` and a `credential`: leave one out"),
        (None, Some(name), _) => {
            credential::path(&name).ok_or("names a `credential` that no file can be called")
        }
        (Some(key), None, Some(own)) if !key.exists() => Ok(own),
        (Some(key), None, _) => Ok(key),
        (None, None, own) => own.ok_or("names neither a `key` nor a `credential`"),
    }
}

fn gateway_keys(path: &Path, keys: &[String]) -> Result<Vec<VerifyingKey>, ConfigError> {
    let read = |(index, key): (usize, &String)| {
        let wrong = |source| ConfigError::GatewayKey { path: path.into(), index, source };
        key.parse().map_err(wrong)
    };
    keys.iter().enumerate().map(read).collect()
}

/// The worker is installed beside the agent.
fn worker_beside() -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("cofferdam-files"))
}

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../packaging/config/agent.toml");

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("/etc/cofferdam/agent.toml"), text)
    }

    fn with_a_gateway() -> String {
        let key = "\"ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"";
        EXAMPLE.replace("keys = []", &format!("keys = [{key}]"))
    }

    #[test]
    fn the_shipped_file_believes_no_gateway_until_the_host_has_enrolled() {
        let config = parse(EXAMPLE).unwrap();
        assert!(config.gateways.is_empty() && config.name.is_empty());
        assert!(config.identity.directory.is_some() && config.identity.files.is_some());
        let by_hand = EXAMPLE.replace("directory = \"/var/lib/cofferdam-agent/identity\"", "");
        let error = parse(&by_hand).unwrap_err().to_string();
        assert!(error.contains("`gateways.keys` is empty"), "{error}");
    }

    #[test]
    fn the_shipped_file_with_a_gateways_key_is_a_configuration() {
        let config = parse(&with_a_gateway()).unwrap();
        assert_eq!(config.ceiling, Path::new("/etc/cofferdam/ceiling.toml"));
        assert_eq!(config.gateways.len(), 1);
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_place() {
        let error =
            parse(&with_a_gateway().replace("listen =", "lisen =")).unwrap_err().to_string();
        assert!(error.contains("lisen") && error.contains("line"), "{error}");
    }

    #[test]
    fn an_agent_that_only_dials_connects_to_those_ports_and_listens_nowhere() {
        let dial = "[gateway]\ndial = [\"gateway.example.org:8462\", \"[::1]:9000\"]\n[gateways]";
        let text = with_a_gateway().replace("[gateways]", dial);
        let config = parse(&text.replace("listen = \"0.0.0.0:8461\"", "")).unwrap();
        assert_eq!(config.listen, None);
        assert_eq!(config.dialled_ports().collect::<Vec<_>>(), [8462, 9000]);
        assert!(config.dials_names());
    }

    #[test]
    fn values_that_cannot_be_used_are_named() {
        for (from, to, word) in [
            ("# name = \"web-1\"", "name = \"a/b\"", "name"),
            ("key = \"pki/agent.key\"", "", "identity"),
            ("ed25519:", "rsa:", "gateways.keys[0]"),
            ("listen = \"0.0.0.0:8461\"", "listen = \"here\"", "listen"),
            ("listen = \"0.0.0.0:8461\"", "", "`listen` is missing"),
            ("[gateways]", "[gateway]\ndial = [\"gateway\"]\n[gateways]", "gateway.dial"),
        ] {
            let changed = with_a_gateway().replace(from, to);
            assert_ne!(changed, with_a_gateway(), "{from}");
            let error = parse(&changed).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
