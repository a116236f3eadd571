//! Where a call acts: which project, and on which of its hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::input::BadInput;
use crate::roster::{ProjectConfig, Roster};

/// A project on one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The project's name.
    pub(crate) project: String,
    /// The host's name.
    pub(crate) host: String,
    /// What rules may select the host by.
    pub(crate) labels: BTreeMap<String, String>,
    /// The layers that the host said it can hold a cell with; none: not yet said.
    pub(crate) layers: Option<BTreeSet<String>>,
    /// The absolute path of the workspace on that host.
    pub(crate) workspace: PathBuf,
}

impl Place {
    /// Every place that a call can name.
    pub(crate) fn all(roster: &Roster) -> Vec<Self> {
        let places = roster.projects.iter().flat_map(|(name, project)| {
            project.hosts.iter().map(move |host| Self::of(roster, name, project, host))
        });
        places.collect()
    }

    /// The place that a call names. A project may be left out where there is
    /// one; a host may be left out and is then the project's first.
    pub(crate) fn resolve(
        roster: &Roster,
        project: Option<&str>,
        host: Option<&str>,
    ) -> Result<Self, BadInput> {
        let (name, project) = find_project(&roster.projects, project)?;
        let host = find_host(name, project, host)?;
        Ok(Self::of(roster, name, project, host))
    }

    fn of(roster: &Roster, name: &str, project: &ProjectConfig, host: &str) -> Self {
        let labels = roster.hosts.get(host).map(|host| host.labels.clone()).unwrap_or_default();
        Self {
            project: name.to_owned(),
            host: host.to_owned(),
            labels,
            layers: None,
            workspace: project.workspace.clone(),
        }
    }
}

/// The host left between two looks at the roster.
pub(crate) fn unknown_host(place: &Place) -> BadInput {
    BadInput {
        reason: "UNKNOWN_HOST",
        field: "host".into(),
        message: format!(
            "the host `{}` is not one of this gateway's any more; list_hosts shows those there are",
            place.host
        ),
    }
}

fn find_project<'a>(
    projects: &'a BTreeMap<String, ProjectConfig>,
    wanted: Option<&str>,
) -> Result<(&'a str, &'a ProjectConfig), BadInput> {
    let names = || projects.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let unknown =
        |message| BadInput { reason: "UNKNOWN_PROJECT", field: "project".into(), message };
    let mut all = projects.iter();
    let found = match (wanted, all.next(), all.next()) {
        (_, None, _) => {
            return Err(unknown(
                "the gateway has no project; its owner adds a [[project]] to gateway.toml".into(),
            ));
        }
        (None, Some(only), None) => Some(only),
        (None, ..) => {
            let message = format!("there are several projects; name one of: {}", names());
            return Err(unknown(message));
        }
        (Some(wanted), ..) => projects.get_key_value(wanted),
    };
    match (found, wanted) {
        (Some((name, project)), _) => Ok((name, project)),
        (None, wanted) => Err(unknown(format!(
            "no project is named `{}`; there are: {}",
            wanted.unwrap_or_default(),
            names()
        ))),
    }
}

fn find_host<'a>(
    name: &str,
    project: &'a ProjectConfig,
    wanted: Option<&str>,
) -> Result<&'a str, BadInput> {
    let found = match wanted {
        None => project.hosts.first(),
        Some(wanted) => project.hosts.iter().find(|host| *host == wanted),
    };
    found.map(String::as_str).ok_or_else(|| BadInput {
        reason: "UNKNOWN_HOST",
        field: "host".into(),
        message: format!(
            "the project `{name}` has no host named `{}`; it has: {}",
            wanted.unwrap_or_default(),
            if project.hosts.is_empty() { "none".to_owned() } else { project.hosts.join(", ") }
        ),
    })
}
