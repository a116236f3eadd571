//! `list_hosts`: the hosts and projects that a call can name. The gateway
//! answers it by itself.

use std::collections::BTreeMap;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::view::rfc3339;
use crate::holds::HeldBack;
use crate::hosts::{Host, HostState, Hosts, Reach};
use crate::result::Answer;
use crate::roster::Roster;

/// What a client is told about the tool.
pub(super) const ABOUT: About = About {
    name: "list_hosts",
    title: "List hosts",
    description: "Lists the hosts that the other tools can name in `host`, each with its labels, \
         its projects and whether it answers now, and the projects with their workspaces.",
    effect: Effect::Reads,
};

/// What a caller sends: nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    hosts: Vec<HostView>,
    projects: Vec<ProjectView>,
    /// The call's id, which also stands in the gateway's journal.
    pub(crate) run_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct HostView {
    name: String,
    /// ready, not_serving, unreachable or unknown (not checked yet).
    state: &'static str,
    /// Why it is unreachable.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Since when it has been in this state (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// When that was last checked (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<String>,
    /// When it is checked again (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    next_check_at: Option<String>,
    /// drained: it gets no further runs; frozen: no calls; revoked: it is not believed
    /// any more. Left out: nothing holds it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'static str>,
    /// Since when, by whom and why it is drained or frozen.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_since: Option<String>,
    /// It dials the gateway, rather than the gateway it.
    dials_in: bool,
    labels: BTreeMap<String, String>,
    /// Projects that are on this host.
    projects: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ProjectView {
    name: String,
    /// The absolute path of its workspace.
    workspace: String,
    /// Its hosts; the first is the default.
    hosts: Vec<String>,
}

/// What the gateway knows now.
pub(crate) fn answer(roster: &Roster, hosts: &Hosts, run_id: String) -> Output {
    Output {
        hosts: hosts.all().iter().map(|host| HostView::of(roster, host)).collect(),
        projects: roster
            .projects
            .iter()
            .map(|(name, project)| ProjectView {
                name: name.clone(),
                workspace: project.workspace.display().to_string(),
                hosts: project.hosts.clone(),
            })
            .collect(),
        run_id,
    }
}

impl HostView {
    fn of(roster: &Roster, host: &Host) -> Self {
        let HostState { reach, since, checked_at, next_at } = host.state();
        let held_back = host.held_back();
        let held = if host.is_revoked() { Some("revoked") } else { held_back.name() };
        let (state, detail) = match reach {
            Reach::Unknown => ("unknown", None),
            Reach::Ready => ("ready", None),
            Reach::NotServing => ("not_serving", None),
            Reach::Unreachable(reason) => ("unreachable", Some(reason)),
        };
        let has = |hosts: &[String]| hosts.iter().any(|name| name == host.name());
        Self {
            name: host.name().to_owned(),
            state,
            detail,
            since: since.and_then(shown),
            checked_at: checked_at.and_then(shown),
            next_check_at: next_at.and_then(shown),
            held,
            held_since: held_since(held_back),
            dials_in: host.config().address.is_none(),
            labels: host.config().labels.clone(),
            projects: roster
                .projects
                .iter()
                .filter(|(_, project)| has(&project.hosts))
                .map(|(name, _)| name.clone())
                .collect(),
        }
    }
}

fn held_since(held_back: HeldBack) -> Option<String> {
    let since = held_back.frozen.or(held_back.drained)?;
    Some(since.to_string().trim_start().to_owned())
}

fn shown(time: SystemTime) -> Option<String> {
    rfc3339(jiff::Timestamp::try_from(time).ok()?)
}

impl Answer for Output {
    fn headline(&self) -> String {
        let ready = self.hosts.iter().filter(|host| host.state == "ready").count();
        format!("hosts: {}, ready: {ready}", self.hosts.len())
    }
}
