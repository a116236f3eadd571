//! `close_session`: ends a session with everything that goes on in it, on every host
//! that its calls went to.

use cofferdam_proto::exec::v1::SessionClosed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use crate::fault::Fault;
use crate::result::Answer;

/// What a client is told about the tool.
pub(super) const ABOUT: About = About {
    name: "close_session",
    title: "Close a session",
    description: "Closes a session of yours: its sandboxes end on each host that its calls went \
         to, with all that still runs in them. Files in the workspace stay. A host that cannot be \
         reached is told; close it again to try it once more.",
    effect: Effect::Executes,
};

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The handle, or the id that list_sessions shows.
    pub(crate) session: String,
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    id: String,
    /// closed; or closing: a host has not ended what it has of it.
    state: &'static str,
    /// Each host that its calls went to.
    hosts: Vec<HostView>,
    /// This call's id.
    pub(crate) run_id: String,
}

/// What a host ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HostView {
    host: String,
    /// Commands that were running and were ended.
    runs: u32,
    /// Sandboxes that were ended.
    cells: u32,
    /// Why it did not, or why there was nobody to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip)]
    is_closed: bool,
}

impl HostView {
    /// What became of it on one host; none: the host is not configured any more.
    pub(crate) fn of(host: String, closed: Result<Option<SessionClosed>, Fault>) -> Self {
        let (closed, problem, is_closed) = match closed {
            Ok(Some(closed)) => (closed, None, true),
            Ok(None) => {
                let gone = "the gateway has no such host in this project any more".to_owned();
                (SessionClosed::default(), Some(gone), true)
            }
            Err(fault) => (SessionClosed::default(), Some(fault.to_string()), false),
        };
        let SessionClosed { runs, cells } = closed;
        Self { host, runs, cells, problem, is_closed }
    }
}

/// What was closed.
pub(crate) fn answer(id: String, mut hosts: Vec<HostView>, run_id: String) -> Output {
    hosts.sort_by(|one, other| one.host.cmp(&other.host));
    let is_closed = hosts.iter().all(|host| host.is_closed);
    Output { id, state: if is_closed { "closed" } else { "closing" }, hosts, run_id }
}

impl Answer for Output {
    fn is_error(&self) -> bool {
        self.state != "closed"
    }

    fn headline(&self) -> String {
        match self.state {
            "closed" => format!("closed the session {}", self.id),
            _ => format!(
                "the session {} takes no call any more, but some hosts have not ended what they \
                 have of it; close_session again with this id tries them once more",
                self.id
            ),
        }
    }
}
