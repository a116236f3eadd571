//! Turns a raw configuration into a resolved one. The only place where
//! configured values are checked against each other.

mod approvals;
mod authority;
mod sessions;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_trust::{PeerName, Role, TrustedKeys, VerifyingKey};
use toml::Spanned;

use super::raw::{Raw, RawHost, RawHostsListen, RawKeyPair, RawLimits, RawMetrics, RawProject};
use super::{Config, ConfigError, Front, HostsListenConfig, KeyPair, Limits};
use crate::roster::{HostConfig, ProjectConfig, Roster};

/// The longest name of a gateway, host or project.
const MAX_NAME: usize = 63;
/// Bytes of who can be asked.
const MAX_CONTACT: usize = 200;

pub(super) struct Resolver<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text }
    }

    pub(super) fn resolve(&self, raw: Raw) -> Result<Config, ConfigError> {
        let Raw {
            name,
            listen,
            public_names,
            allowed_origins,
            insecure_plaintext,
            tls,
            identity,
            authority,
            signing,
            journal,
            state,
            rules,
            rules_keys,
            rules_shadow,
            host,
            hosts_listen,
            metrics,
            project,
            contact,
            approvals,
            sessions,
            limits,
        } = raw;
        let tls = tls.map(|RawKeyPair { certificate, key }| self.key_pair(certificate, key));
        self.check_listen(&listen, tls.is_some() || insecure_plaintext)?;
        let hosts = self.hosts(host, hosts_listen.is_some())?;
        let authority =
            authority.map(|it| self.authority(it, &self.file(state.clone()))).transpose()?;
        let projects = self.projects(project, &hosts, authority.is_some())?;
        let identity = self.identity(identity, authority.is_some(), name.span())?;
        Ok(Config {
            name: self.name("name", name)?,
            front: self.front(&listen, public_names, allowed_origins)?,
            listen: listen.into_inner(),
            tls,
            identity,
            authority,
            signing_key: self.file(signing.key),
            journal: self.file(journal.directory),
            approvals: self.approvals(approvals, &self.file(state.clone()))?,
            sessions: self.sessions(sessions, &self.file(state.clone())),
            state: self.file(state),
            rules: self.file(rules),
            rules_keys: self.rules_keys(rules_keys)?,
            rules_shadow: rules_shadow.map(|rules| self.file(rules)),
            roster: Roster { hosts, projects },
            hosts_listen: hosts_listen.as_ref().map(self::hosts_listen),
            metrics_listen: metrics.map(|RawMetrics { listen }| listen),
            limits: self::limits(&limits),
            contact: contact.map(|contact| self.contact(contact)).transpose()?,
        })
    }

    /// It stands in refusals, in one line.
    fn contact(&self, contact: Spanned<String>) -> Result<String, ConfigError> {
        let text = contact.get_ref();
        let is_line = !text.trim().is_empty() && !text.contains(char::is_control);
        if is_line && text.len() <= MAX_CONTACT {
            return Ok(contact.into_inner());
        }
        let problem = format!(
            "it must be one line of 1 to {MAX_CONTACT} bytes, such as \"the platform team, \
             platform@example.org\""
        );
        self.refuse(contact.span(), "contact", problem)
    }

    /// Leaving the key out means plain files; an empty list would mean that nothing
    /// could ever be loaded.
    fn rules_keys(
        &self,
        keys: Option<Spanned<Vec<Spanned<String>>>>,
    ) -> Result<TrustedKeys, ConfigError> {
        let Some(keys) = keys else { return Ok(TrustedKeys::default()) };
        if keys.get_ref().is_empty() {
            let problem = "the list is empty, so that no rules could be signed by one of them; name \
                           a publisher's public key, or leave it out for plain files";
            return self.refuse(keys.span(), "rules_keys", problem);
        }
        let keys = keys.into_inner();
        keys.iter().map(|key| self.parsed::<VerifyingKey>("rules_keys", key)).collect()
    }

    fn check_listen(&self, listen: &Spanned<SocketAddr>, allowed: bool) -> Result<(), ConfigError> {
        if allowed || listen.get_ref().ip().is_loopback() {
            return Ok(());
        }
        self.refuse(
            listen.span(),
            "listen",
            format!(
                "{} is not a loopback address, and without TLS tokens would cross the network in \
                 the clear; configure `[tls]`, listen on 127.0.0.1, or, behind a proxy that \
                 ends TLS, set `insecure_plaintext = true`",
                listen.get_ref()
            ),
        )
    }

    /// Loopback names are accepted when the gateway listens there; any other
    /// name only when it is configured.
    fn front(
        &self,
        listen: &Spanned<SocketAddr>,
        public_names: Vec<Spanned<String>>,
        allowed_origins: Vec<Spanned<String>>,
    ) -> Result<Front, ConfigError> {
        let (span, listen) = (listen.span(), *listen.get_ref());
        let public = public_names.first().map(|name| name.get_ref().clone());
        let mut front = Front { public, hosts: Vec::new(), origins: Vec::new() };
        if listen.ip().is_loopback() {
            for name in ["localhost", "127.0.0.1", "[::1]"] {
                front.hosts.push(name.to_owned());
                front.origins.push(format!("http://{name}:*"));
                front.origins.push(format!("https://{name}:*"));
            }
        } else if public_names.is_empty() {
            return self.refuse(
                span,
                "listen",
                format!(
                    "{listen} is reached by other names than loopback's; list them in \
                     `public_names`, because requests for any other name are refused"
                ),
            );
        }
        for name in public_names {
            let authority: Result<http::uri::Authority, _> = name.get_ref().parse();
            let Ok(authority) = authority else {
                let problem = format!("`{}` is not `name` or `name:port`", name.get_ref());
                return self.refuse(name.span(), "public_names", problem);
            };
            let port = authority.port().map_or("*".to_owned(), |port| port.to_string());
            front.origins.push(format!("https://{}:{port}", authority.host()));
            front.hosts.push(name.into_inner());
        }
        for origin in allowed_origins {
            let bare = origin.get_ref().strip_suffix(":*").unwrap_or(origin.get_ref());
            let uri: Option<http::Uri> = bare.parse().ok();
            if !uri.is_some_and(|uri| uri.scheme().is_some() && uri.authority().is_some()) {
                let problem = format!("`{}` is not `scheme://name:port`", origin.get_ref());
                return self.refuse(origin.span(), "allowed_origins", problem);
            }
            front.origins.push(origin.into_inner());
        }
        Ok(front)
    }

    /// `dial_in`: those without an address can.
    fn hosts(
        &self,
        raw: Vec<RawHost>,
        dial_in: bool,
    ) -> Result<BTreeMap<String, HostConfig>, ConfigError> {
        let mut hosts = BTreeMap::new();
        for RawHost { name, address, labels, agent, key } in raw {
            let span = name.span();
            let name = self.name("host.name", name)?;
            if address.is_none() && !dial_in {
                let problem = format!(
                    "`{name}` has no `address`: give one, or `[hosts_listen]` with an address where \
                     it can dial in"
                );
                return self.refuse(span, "host.address", problem);
            }
            let host = HostConfig {
                address: address.map(|address| self.address(address)).transpose()?,
                labels,
                agent: self.agent(&name, &agent)?,
                key: self.parsed("host.key", &key)?,
            };
            if hosts.insert(name.clone(), host).is_some() {
                return self.refuse(span, "host.name", format!("a second host is named `{name}`"));
            }
        }
        Ok(hosts)
    }

    /// An agent acts only on intents that name its host, so both names are one.
    fn agent(&self, host: &str, agent: &Spanned<String>) -> Result<PeerName, ConfigError> {
        let name: PeerName = self.parsed("host.agent", agent)?;
        if name.role() != Role::Agent || name.name() != host {
            let problem = format!(
                "`{name}` is not the agent of the host `{host}`; spiffe://{}/agent/{host} is",
                name.trust_domain()
            );
            return self.refuse(agent.span(), "host.agent", problem);
        }
        Ok(name)
    }

    fn projects(
        &self,
        raw: Vec<RawProject>,
        known: &BTreeMap<String, HostConfig>,
        hosts_enrol: bool,
    ) -> Result<BTreeMap<String, ProjectConfig>, ConfigError> {
        let mut projects = BTreeMap::new();
        for RawProject { name, workspace, hosts } in raw {
            let span = name.span();
            let name = self.name("project.name", name)?;
            let path = workspace.get_ref();
            if !is_normal(path) {
                let problem = format!(
                    "`{}` is not an absolute path without `.`, `..` or `//`",
                    path.display()
                );
                return self.refuse(workspace.span(), "project.workspace", problem);
            }
            let project = ProjectConfig {
                hosts: self.project_hosts(&span, hosts, known, hosts_enrol)?,
                workspace: workspace.into_inner(),
            };
            if projects.insert(name.clone(), project).is_some() {
                let problem = format!("a second project is named `{name}`");
                return self.refuse(span, "project.name", problem);
            }
        }
        Ok(projects)
    }

    /// The named hosts, or all of them where none is named; where hosts enrol, there may
    /// be none yet.
    fn project_hosts(
        &self,
        project: &Range<usize>,
        named: Option<Vec<Spanned<String>>>,
        known: &BTreeMap<String, HostConfig>,
        hosts_enrol: bool,
    ) -> Result<Vec<String>, ConfigError> {
        let mut hosts = Vec::new();
        let Some(named) = named else {
            hosts.extend(known.keys().cloned());
            return if hosts.is_empty() && !hosts_enrol {
                self.refuse(project.clone(), "project.hosts", "no host is configured")
            } else {
                Ok(hosts)
            };
        };
        for host in named {
            if !known.contains_key(host.get_ref()) {
                let all: Vec<_> = known.keys().map(String::as_str).collect();
                let problem =
                    format!("no host is named `{}`; there are: {}", host.get_ref(), all.join(", "));
                return self.refuse(host.span(), "project.hosts", problem);
            }
            hosts.push(host.into_inner());
        }
        if hosts.is_empty() {
            self.refuse(
                project.clone(),
                "project.hosts",
                "the list is empty; name a host, or leave the key out to mean all",
            )
        } else {
            Ok(hosts)
        }
    }

    fn name(&self, key: &str, name: Spanned<String>) -> Result<String, ConfigError> {
        let text = name.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric();
        let good = text.starts_with(plain)
            && text.len() <= MAX_NAME
            && text.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'));
        if good {
            return Ok(name.into_inner());
        }
        let problem = format!(
            "`{text}` is not a name: 1 to {MAX_NAME} of a-z, A-Z, 0-9, `-`, `_`, `.`, and a \
             letter or digit first"
        );
        self.refuse(name.span(), key, problem)
    }

    fn address(&self, address: Spanned<String>) -> Result<String, ConfigError> {
        let authority: Result<http::uri::Authority, _> = address.get_ref().parse();
        match authority {
            Ok(authority) if authority.port_u16().is_some_and(|port| port != 0) => {
                Ok(address.into_inner())
            }
            _ => {
                let problem = format!("`{}` is not `name:port`", address.get_ref());
                self.refuse(address.span(), "host.address", problem)
            }
        }
    }

    fn parsed<T>(&self, key: &str, text: &Spanned<String>) -> Result<T, ConfigError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        match text.get_ref().parse() {
            Ok(value) => Ok(value),
            Err(error) => self.refuse(text.span(), key, error.to_string()),
        }
    }

    fn key_pair(&self, certificate: PathBuf, key: PathBuf) -> KeyPair {
        KeyPair { certificate: self.file(certificate), key: self.file(key) }
    }

    /// Relative paths start at the directory of the configuration file.
    fn file(&self, path: PathBuf) -> PathBuf {
        match self.path.parent() {
            Some(directory) => directory.join(path),
            None => path,
        }
    }

    fn refuse<T>(
        &self,
        span: Range<usize>,
        key: &str,
        problem: impl Into<String>,
    ) -> Result<T, ConfigError> {
        let before = self.text.get(..span.start).unwrap_or_default();
        Err(ConfigError::Value {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            key: key.to_owned(),
            problem: problem.into(),
        })
    }
}

fn is_normal(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    let normal = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    match text.strip_prefix(b"/") {
        Some(b"") => true,
        Some(rest) => !text.contains(&0) && rest.split(|byte| *byte == b'/').all(normal),
        None => false,
    }
}

fn hosts_listen(raw: &RawHostsListen) -> HostsListenConfig {
    let RawHostsListen { address, connections, strangers, strangers_per_address } = *raw;
    HostsListenConfig { address, connections, strangers, strangers_per_address }
}

fn limits(raw: &RawLimits) -> Limits {
    let RawLimits {
        body_bytes,
        body_bytes_per_subject,
        requests_per_second_per_subject,
        sessions,
        sessions_per_subject,
        session_idle_seconds,
        connections,
        concurrent_calls,
        concurrent_calls_per_subject,
        queue_milliseconds,
        result_bytes,
    } = *raw;
    Limits {
        body_bytes,
        body_bytes_per_subject,
        requests_per_second_per_subject,
        sessions,
        sessions_per_subject,
        session_idle: Duration::from_secs(session_idle_seconds.get() as u64),
        connections,
        concurrent_calls,
        concurrent_calls_per_subject,
        queue: Duration::from_millis(queue_milliseconds),
        result_bytes,
    }
}
