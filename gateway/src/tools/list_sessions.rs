//! `list_sessions`: the sessions that a caller opened and has not closed. The gateway
//! answers it by itself, to everybody about their own.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::view::rfc3339;
use crate::result::Answer;
use crate::sessions::Session;

/// What a client is told about the tool.
pub(super) const ABOUT: About = About {
    name: "list_sessions",
    title: "List your sessions",
    description: "Lists the sessions that you opened with open_session and that are not closed, \
         with what each of them carries. Their handles are not told again; close_session takes the \
         id that is shown here, too.",
    effect: Effect::Reads,
};

/// What a caller sends: nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The oldest first.
    sessions: Vec<SessionView>,
    /// One is forgotten when it was not used for so long.
    idle_seconds: u64,
    /// This call's id.
    pub(crate) run_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct SessionView {
    id: String,
    /// open, or closing: some of its hosts have not ended what they have of it.
    state: &'static str,
    host: String,
    project: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    /// Empty: the workspace.
    working_directory: String,
    /// Names of its variables.
    environment: Vec<String>,
    /// Hosts that calls of it went to.
    used_hosts: Vec<String>,
    /// RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<String>,
    /// RFC 3339, UTC; about.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_at: Option<String>,
}

/// What there is.
pub(crate) fn answer(sessions: Vec<Session>, idle: Duration, run_id: String) -> Output {
    let sessions = sessions.into_iter().map(SessionView::from).collect();
    Output { sessions, idle_seconds: idle.as_secs(), run_id }
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        let Session {
            id,
            project,
            host,
            profile,
            working_directory,
            environment,
            created_at,
            used_at,
            hosts,
            is_closing,
        } = session;
        Self {
            id,
            state: if is_closing { "closing" } else { "open" },
            host,
            project,
            profile,
            working_directory,
            environment: environment.into_keys().collect(),
            used_hosts: hosts,
            opened_at: shown(created_at),
            used_at: shown(used_at),
        }
    }
}

fn shown(seconds: u64) -> Option<String> {
    rfc3339(jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?)
}

impl Answer for Output {
    fn headline(&self) -> String {
        format!("sessions: {}", self.sessions.len())
    }
}
