//! Completes what a person types: arguments of prompts and variables of resource
//! templates.
//!
//! Only what the caller could use is told: hosts and projects where the rules could
//! permit the tools that are meant, entries of directories as `list_directory` shows them
//! (by such a call, with its decision and records), runs and sessions of the caller's
//! own. What cannot be told, because it is refused, down or late, is no failure: nothing
//! is proposed.

mod matching;
mod paths;
mod runs;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, ErrorData, Reference};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::call::Origin;
use crate::gateway::Gateway;
use crate::place::Place;
use crate::prompts;
use crate::resources::templates;
use matching::matching;

/// The longest that somebody who types waits.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of what is typed, and of each thing that was said before.
const MAX_VALUE: usize = 16 * 1024;

/// How something is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Host,
    Project,
    /// Files and directories, as tools take them.
    Path,
    /// Directories, as tools take them.
    Directory,
    /// Files and directories, as URIs have them.
    UriPath,
    /// Runs of the caller's own.
    Run,
    /// Streams of a run.
    Stream,
    /// Sessions of the caller's own, by their ids: their handles nobody knows.
    Session,
    Nothing,
}

/// What is to be completed.
struct Typed<'a> {
    gateway: &'a Arc<Gateway>,
    origin: &'a Origin,
    cancelled: &'a CancellationToken,
    /// Where what is meant could be used.
    places: Vec<Place>,
    value: String,
    /// What was said before, by name.
    said: HashMap<String, String>,
}

/// What is proposed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Proposed {
    values: Vec<String>,
    /// There are more than those.
    more: bool,
}

/// Proposes values.
pub(crate) async fn complete(
    gateway: &Arc<Gateway>,
    origin: &Origin,
    request: CompleteRequestParams,
    cancelled: &CancellationToken,
) -> Result<CompleteResult, ErrorData> {
    let CompleteRequestParams { r#ref, argument, context, .. } = request;
    let said = context.and_then(|context| context.arguments).unwrap_or_default();
    let all = said.values().chain([&argument.value]);
    if all.into_iter().any(|text| text.len() > MAX_VALUE) {
        let message = format!("what is to be completed has more than {MAX_VALUE} bytes");
        return Err(refused(gateway, origin, message));
    }
    let found = match &r#ref {
        Reference::Prompt(prompt) => {
            prompts::completed(gateway, origin, &prompt.name, &argument.name)
        }
        Reference::Resource(template) => {
            templates::completed(gateway, origin, &template.uri, &argument.name)
        }
        _ => None,
    };
    let Some((kind, places)) = found else {
        let message = "there is no such prompt or resource template for you, or it has no such \
                       argument; prompts/list and resources/templates/list show those that you \
                       have";
        return Err(refused(gateway, origin, message.to_owned()));
    };
    let typed = Typed { gateway, origin, cancelled, places, value: argument.value, said };
    let proposed = tokio::time::timeout(PATIENCE, typed.propose(kind)).await;
    // Who was too late may be in time with the next letter.
    let Proposed { values, more } = proposed.unwrap_or(Proposed { values: Vec::new(), more: true });
    let total = if more { None } else { u32::try_from(values.len()).ok() };
    let info = CompletionInfo::with_pagination(values, total, more);
    info.map(CompleteResult::new).map_err(|error| ErrorData::internal_error(error, None))
}

impl Typed<'_> {
    async fn propose(&self, kind: Kind) -> Proposed {
        match kind {
            Kind::Host => {
                let project = self.said.get("project");
                let fits = |it: &&Place| project.is_none_or(|project| *project == it.project);
                let hosts = self.places.iter().filter(fits).map(|place| place.host.clone());
                matching(&self.value, hosts)
            }
            Kind::Project => {
                let host = self.said.get("host");
                let fits = |it: &&Place| host.is_none_or(|host| *host == it.host);
                let projects = self.places.iter().filter(fits).map(|place| place.project.clone());
                matching(&self.value, projects)
            }
            Kind::Path | Kind::Directory | Kind::UriPath => self.paths(kind).await,
            Kind::Run => self.runs().await,
            Kind::Stream => {
                matching(&self.value, ["output", "stdout", "stderr"].map(str::to_owned))
            }
            Kind::Session => self.sessions(),
            Kind::Nothing => Proposed::default(),
        }
    }

    fn sessions(&self) -> Proposed {
        let sessions = self.gateway.sessions().list(&self.origin.caller);
        let (host, project) = (self.said.get("host"), self.said.get("project"));
        let ids = sessions.unwrap_or_default().into_iter().filter(|session| {
            host.is_none_or(|host| *host == session.host)
                && project.is_none_or(|project| *project == session.project)
        });
        matching(&self.value, ids.map(|session| session.id))
    }
}

fn refused(gateway: &Gateway, origin: &Origin, message: String) -> ErrorData {
    gateway.recorder().failure(origin, "INVALID_REQUEST", &message);
    ErrorData::invalid_params(message, Some(json!({ "reason": "INVALID_REQUEST" })))
}
