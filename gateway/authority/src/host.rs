//! A host as the authority knows it, and what an owner may say of one.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};

use cofferdam_trust::{DEFAULT_TRUST_DOMAIN, NameError, PeerName, Role};
use serde::{Deserialize, Serialize};

/// Labels, projects, and bytes of each of their texts.
const MAX_ITEMS: usize = 64;
const MAX_TEXT: usize = 255;

/// How far a host has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// There is a token for it.
    Invited,
    /// It showed the token and waits for its owner.
    Pending,
    /// It is let in and gets its certificate when it asks next.
    Approved,
    /// It has got a certificate.
    Joined,
    /// It was not let in.
    Refused,
    /// It counts for nothing any more.
    Revoked,
}

/// A project that a host is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// The workspace on this host; none: that of the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<PathBuf>,
}

/// A host, for people and scripts. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// How far it has come.
    pub standing: Standing,
    /// Why nothing more is certified for it; none: all is well.
    pub alarm: Option<String>,
    /// What rules may select it by.
    pub labels: BTreeMap<String, String>,
    /// What it is for.
    pub projects: Vec<Project>,
    /// Where it is reached, as its invitation or else itself says; none: it dials out.
    pub address: Option<String>,
    /// The public key that it signs with, once it enrolled.
    pub signing_key: Option<String>,
    /// As the agent says.
    pub agent_version: String,
    /// Certificates that it got in a row after the last one had lapsed.
    pub reattested: u32,
    /// Seconds since 1970, here and below.
    pub invited_at: u64,
    /// When it showed its token.
    pub enrolled_at: Option<u64>,
    /// When its certificate was made.
    pub certified_at: Option<u64>,
    /// When that ends.
    pub certificate_ends_at: Option<u64>,
}

/// What an owner says of a host cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Its name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Something else.
    #[error("the host's {field} {problem}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// A host's name is that of a peer.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    PeerName::new(DEFAULT_TRUST_DOMAIN, Role::Agent, name).map(drop)
}

/// `HOST:PORT`, bounded; empty: none.
pub(crate) fn address(text: &str) -> Result<Option<String>, HostError> {
    if text.is_empty() {
        return Ok(None);
    }
    let letters = |host: &str| {
        let plain = host.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_".contains(&it));
        let bracketed = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        plain || bracketed.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let parts = text.rsplit_once(':').filter(|(host, port)| {
        !host.is_empty() && letters(host) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if parts.is_none() || text.len() > MAX_TEXT {
        let problem = "is none: write HOST:PORT, such as web-1.example.org:8461".to_owned();
        return Err(HostError::Field { field: "address", problem });
    }
    Ok(Some(text.to_owned()))
}

/// Labels: not too many, no control characters.
pub(crate) fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), HostError> {
    let wrong = |problem: String| HostError::Field { field: "labels", problem };
    if labels.len() > MAX_ITEMS {
        return Err(wrong(format!("are more than {MAX_ITEMS}")));
    }
    let fits = |text: &str| text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    match labels.iter().find(|(key, value)| key.is_empty() || !fits(key) || !fits(value)) {
        Some((key, _)) => Err(wrong(format!("cannot be taken: `{}`", key.escape_debug()))),
        None => Ok(()),
    }
}

/// Projects: named as the configuration's are, with absolute workspaces.
pub(crate) fn check_projects(projects: &[Project]) -> Result<(), HostError> {
    let wrong = |problem: String| HostError::Field { field: "projects", problem };
    if projects.len() > MAX_ITEMS {
        return Err(wrong(format!("are more than {MAX_ITEMS}")));
    }
    for Project { name, workspace } in projects {
        check_name(name)
            .map_err(|_| wrong(format!("cannot be named `{}`", name.escape_debug())))?;
        let normal = |path: &PathBuf| {
            let plain = |it| matches!(it, Component::RootDir | Component::Normal(_));
            path.is_absolute() && path.components().all(plain)
        };
        if let Some(path) = workspace.as_ref().filter(|path| !normal(path)) {
            let problem =
                format!("need an absolute workspace without `..`: not `{}`", path.display());
            return Err(wrong(problem));
        }
    }
    Ok(())
}

impl Standing {
    /// As it stands in the state and in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Joined => "joined",
            Self::Refused => "refused",
            Self::Revoked => "revoked",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Invited, Self::Pending, Self::Approved, Self::Joined, Self::Refused, Self::Revoked]
            .into_iter()
            .find(|standing| standing.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_name_or_a_number_with_a_port() {
        for good in ["web-1:8461", "10.0.0.7:1", "[::1]:8461", "a.example.org:65535"] {
            assert_eq!(address(good).unwrap().as_deref(), Some(good));
        }
        assert_eq!(address("").unwrap(), None);
        for bad in
            ["web-1", ":1", "a:0", "a:65536", "a b:1", "a:1/x", "http://a:1", "u@a:1", "[x]:1"]
        {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn projects_have_names_and_absolute_workspaces() {
        let project = |name: &str, workspace: Option<&str>| Project {
            name: name.to_owned(),
            workspace: workspace.map(PathBuf::from),
        };
        check_projects(&[project("web", None), project("new", Some("/srv/new"))]).unwrap();
        for bad in
            [project("two words", None), project("a", Some("srv")), project("a", Some("/a/../b"))]
        {
            assert!(check_projects(&[bad]).is_err());
        }
    }

    #[test]
    fn labels_are_short_texts() {
        let labels = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        check_labels(&labels("stage", "production")).unwrap();
        for (key, value) in [("", "a"), ("a\nb", "c"), ("a", "\u{1b}[2J")] {
            assert!(check_labels(&labels(key, value)).is_err(), "{key:?}");
        }
    }
}
