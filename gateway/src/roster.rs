//! Which hosts and projects there are: those of the configuration, and those that
//! enrolled.
//!
//! A roster is a value that nobody changes; when hosts come or go, another one takes
//! its place (`Gateway::roster`). A call takes it once for each
//! question, so that a host that leaves while it runs does not change what the call
//! is about.

mod difference;
mod joined;

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_trust::{PeerName, VerifyingKey};

pub(crate) use difference::{Difference, Differences};
pub use joined::with_joined;

/// All hosts and projects at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// The hosts, by name.
    pub hosts: BTreeMap<String, HostConfig>,
    /// The projects, by name.
    pub projects: BTreeMap<String, ProjectConfig>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// Where its agent listens, `name:port` or `address:port`; none: its agent dials
    /// the gateway.
    pub address: Option<String>,
    /// What rules may select it by.
    pub labels: BTreeMap<String, String>,
    /// The URI name that its certificate must carry.
    pub agent: PeerName,
    /// The key that its receipts are signed with.
    pub key: VerifyingKey,
}

/// One project: a workspace and the hosts it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectConfig {
    /// The absolute path of the workspace on each of the hosts.
    pub workspace: PathBuf,
    /// Names of hosts; the first is the default. Empty only where hosts enrol.
    pub hosts: Vec<String>,
}

/// A host that enrolled, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledHost {
    /// Its name.
    pub name: String,
    /// How it is reached and known.
    pub host: HostConfig,
    /// The projects that its invitation named.
    pub projects: Vec<EnrolledProject>,
}

/// A project that an invitation named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledProject {
    /// Its name.
    pub name: String,
    /// The workspace on that host; none: that of the project.
    pub workspace: Option<PathBuf>,
}

impl Roster {
    /// This one with hosts that enrolled. What the configuration says comes first: it
    /// keeps its hosts and the workspaces of its projects, so that an enrolment gives
    /// no name another meaning. What does not fit is left out and told in words.
    pub(crate) fn with(&self, enrolled: Vec<EnrolledHost>) -> (Self, Vec<String>) {
        let (mut all, mut left_out) = (self.clone(), Vec::new());
        for EnrolledHost { name, host, projects } in enrolled {
            if self.hosts.contains_key(&name) {
                left_out.push(format!("the configuration has a host `{name}` of its own"));
                continue;
            }
            all.hosts.insert(name.clone(), host);
            for project in projects {
                if let Err(why) = all.join(&name, project) {
                    left_out.push(why);
                }
            }
        }
        (all, left_out)
    }

    /// Makes `host` one of a project's, which comes to be where there is none.
    fn join(&mut self, host: &str, project: EnrolledProject) -> Result<(), String> {
        let EnrolledProject { name, workspace } = project;
        match (self.projects.get_mut(&name), workspace) {
            (Some(there), workspace) => {
                if workspace.is_some_and(|workspace| workspace != there.workspace) {
                    return Err(format!(
                        "the host `{host}` is not in the project `{name}`: its workspace is \
                         another one than `{}`",
                        there.workspace.display()
                    ));
                }
                there.hosts.push(host.to_owned());
            }
            (None, Some(workspace)) => {
                let hosts = vec![host.to_owned()];
                self.projects.insert(name, ProjectConfig { workspace, hosts });
            }
            (None, None) => {
                return Err(format!(
                    "the host `{host}` is not in the project `{name}`: there is no such project, \
                     and its invitation named no workspace"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> HostConfig {
        let key = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        HostConfig {
            address: None,
            labels: BTreeMap::new(),
            agent: format!("spiffe://cofferdam/agent/{name}").parse().unwrap(),
            key: key.parse().unwrap(),
        }
    }

    fn enrolled(name: &str, projects: &[(&str, Option<&str>)]) -> EnrolledHost {
        let projects = projects.iter().map(|(name, workspace)| EnrolledProject {
            name: (*name).to_owned(),
            workspace: workspace.map(PathBuf::from),
        });
        EnrolledHost { name: name.to_owned(), host: host(name), projects: projects.collect() }
    }

    fn configured() -> Roster {
        let project = ProjectConfig { workspace: "/srv/web".into(), hosts: vec!["a".to_owned()] };
        Roster {
            hosts: BTreeMap::from([("a".to_owned(), host("a"))]),
            projects: BTreeMap::from([("web".to_owned(), project)]),
        }
    }

    #[test]
    fn a_host_that_enrolled_joins_the_projects_that_its_invitation_named() {
        let joined = vec![
            enrolled("b", &[("web", None), ("new", Some("/srv/new"))]),
            enrolled("c", &[("new", Some("/srv/new"))]),
        ];
        let (all, left_out) = configured().with(joined);
        assert_eq!(left_out, Vec::<String>::new());
        assert_eq!(all.projects["web"].hosts, ["a", "b"]);
        assert_eq!(all.projects["new"].hosts, ["b", "c"]);
        assert_eq!(all.hosts.len(), 3);
    }

    #[test]
    fn an_enrolment_gives_no_name_of_the_configuration_another_meaning() {
        let joined = vec![
            enrolled("a", &[("web", None)]),
            enrolled("b", &[("web", Some("/elsewhere")), ("unknown", None)]),
        ];
        let (all, left_out) = configured().with(joined);
        assert_eq!(all.projects, configured().projects);
        assert_eq!(all.hosts["a"], host("a"));
        assert_eq!(left_out.len(), 3, "{left_out:?}");
    }
}
