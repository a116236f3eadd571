//! Lists resources, page by page: workspaces first, then the caller's own runs.
//!
//! A page asks few hosts, and none that is known not to answer. Where a host cannot be
//! asked, its runs are left out: a list that fails as a whole because of one host would
//! be of no use. A cursor says where to go on, and gives nothing: what it leads to is
//! decided anew.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_proto::exec::v1::{Held, ListRunsResponse, RunSummary};
use rmcp::model::{Annotations, ErrorData, ListResourcesResult, Resource};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::call;
use super::output::{OwnRuns, has_ended};
use super::raw::Told;
use super::uri::{Streams, Uri};
use crate::call::Origin;
use crate::gateway::Gateway;
use crate::hosts::Reach;
use crate::pipeline::looked;
use crate::place::Place;
use crate::process::handle;
use crate::tools::timestamp;

/// Resources of one page, about.
const PAGE: usize = 100;
/// Hosts that are asked for one page.
const HOSTS: usize = 8;
/// Bytes of a cursor.
const MAX_CURSOR: usize = 2048;

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum At {
    /// Workspaces after this project and host.
    Workspaces(String, String),
    /// Runs in this project on this host, from this page of the host's on.
    Runs(String, String, String),
}

/// One page of what the caller may see.
pub(crate) async fn list(
    gateway: &Arc<Gateway>,
    origin: &Origin,
    cursor: Option<&str>,
    cancelled: &CancellationToken,
) -> Result<ListResourcesResult, ErrorData> {
    let at = cursor.map(read_cursor).transpose()?;
    let places = Place::all(&gateway.roster());
    let mut page = Page { resources: Vec::new(), next: None };
    let runs_from = match &at {
        Some(At::Runs(project, host, token)) => Some((project, host, token.as_str())),
        _ => None,
    };
    if runs_from.is_none() {
        let after = match &at {
            Some(At::Workspaces(project, host)) => Some((project.as_str(), host.as_str())),
            _ => None,
        };
        page.add_workspaces(gateway, origin, &places, after);
    }
    if page.next.is_none() {
        let (first, token) = match runs_from {
            None => (0, ""),
            Some((project, host, token)) => {
                let is_it = |place: &Place| place.project == *project && place.host == *host;
                // A place that is configured no more has no runs to show.
                (places.iter().position(is_it).unwrap_or(places.len()), token)
            }
        };
        page.add_runs(gateway, origin, &places[first..], token, cancelled).await;
    }
    let mut result = ListResourcesResult::with_all_items(page.resources);
    result.next_cursor = page.next.map(|at| cursor_of(&at));
    Ok(result)
}

struct Page {
    resources: Vec<Resource>,
    next: Option<At>,
}

impl Page {
    fn add_workspaces(
        &mut self,
        gateway: &Gateway,
        origin: &Origin,
        places: &[Place],
        after: Option<(&str, &str)>,
    ) {
        let policy = gateway.policy();
        let mut rest = places.iter();
        if let Some((project, host)) = after {
            rest.by_ref().find(|place| place.project == project && place.host == host);
        }
        let may = |place: &&Place| {
            policy.could_use(origin, std::slice::from_ref(*place), "list_directory")
        };
        for place in rest.filter(may) {
            if self.resources.len() >= PAGE {
                break;
            }
            self.resources.push(workspace(place));
            self.next = Some(At::Workspaces(place.project.clone(), place.host.clone()));
        }
        if self.resources.len() < PAGE {
            self.next = None;
        }
    }

    async fn add_runs(
        &mut self,
        gateway: &Arc<Gateway>,
        origin: &Origin,
        places: &[Place],
        token: &str,
        cancelled: &CancellationToken,
    ) {
        let policy = gateway.policy();
        let mut token = token.to_owned();
        let mut asked = 0;
        for place in places {
            let at = |token: String| At::Runs(place.project.clone(), place.host.clone(), token);
            let one = std::slice::from_ref(place);
            let may = ["list_processes", "read_process"]
                .iter()
                .all(|tool| policy.could_use(origin, one, tool));
            if !may || !answers(gateway, &place.host) {
                token.clear();
                continue;
            }
            if asked >= HOSTS || self.resources.len() >= PAGE {
                self.next = Some(at(token));
                return;
            }
            asked += 1;
            let arguments = json!({
                "host": place.host, "project": place.project,
                "page_size": PAGE - self.resources.len(), "page": token,
            });
            let call = call(origin, "list_processes", arguments, usize::MAX, cancelled);
            token.clear();
            // What could not be told is on record.
            let Ok(Told(told)) = looked::<OwnRuns>(gateway, call).await else { continue };
            let ListRunsResponse { runs, next_page_token } = told;
            self.resources.extend(runs.iter().map(|summary| run(&place.host, summary)));
            if !next_page_token.is_empty() {
                self.next = Some(at(next_page_token));
                return;
            }
        }
    }
}

/// Whether a host is not known to be down.
fn answers(gateway: &Gateway, host: &str) -> bool {
    let state = gateway.hosts().get(host).map(|host| host.state().reach);
    matches!(state, Some(Reach::Ready | Reach::Unknown))
}

fn workspace(place: &Place) -> Resource {
    let Place { project, host, workspace, .. } = place;
    let uri = Uri::workspace(host, project).to_string();
    Resource::new(uri, format!("{project} on {host}"))
        .with_title(format!("Workspace of {project} on {host}"))
        .with_description(format!(
            "The directory {} on {host}: its entries with their URIs.",
            workspace.display()
        ))
        .with_mime_type("inode/directory")
}

fn run(host: &str, summary: &RunSummary) -> Resource {
    let held = |held: Option<Held>| held.map_or(0, |Held { start, end }| end.saturating_sub(start));
    let uri = Uri::output(host, &summary.run_id, Streams::Both, 0).to_string();
    let state = if has_ended(summary) { "ended" } else { "running" };
    let resource = Resource::new(uri, handle(host, &summary.run_id))
        .with_title(format!("Output of `{}`", summary.command))
        .with_description(format!("A process of yours on {host} in {}: {state}.", summary.project))
        .with_mime_type("text/plain")
        .with_size(held(summary.stdout).saturating_add(held(summary.stderr)));
    match summary.ended_at.as_ref().or(summary.started_at.as_ref()).and_then(timestamp) {
        None => resource,
        Some(when) => {
            let mut annotations = Annotations::default();
            annotations.last_modified = Some(when);
            resource.with_annotations(annotations)
        }
    }
}

fn cursor_of(at: &At) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(at).unwrap_or_default())
}

fn read_cursor(cursor: &str) -> Result<At, ErrorData> {
    let read = (cursor.len() <= MAX_CURSOR).then(|| URL_SAFE_NO_PAD.decode(cursor).ok()).flatten();
    let at = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    at.ok_or_else(no_cursor)
}

/// A cursor that no list of ours gave.
pub(crate) fn no_cursor() -> ErrorData {
    ErrorData::invalid_params(
        "the `cursor` is none that this server gave for this list; begin again without one",
        None,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_where_it_was_made_and_anything_else_is_refused() {
        for at in [
            At::Workspaces("site".into(), "web-1".into()),
            At::Runs("shop".into(), "web-2".into(), "0b9c".into()),
        ] {
            assert_eq!(read_cursor(&cursor_of(&at)).unwrap(), at);
        }
        for bad in ["", "0", "e30", "!!", "W10", &"A".repeat(5000)] {
            assert!(read_cursor(bad).is_err(), "{bad}");
        }
    }
}
