//! One call on several hosts: each host's part is a call of its own, with its own id,
//! decision, intent and outcome, and its failure is nobody else's.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::lead_one;
use crate::call::Call;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::input::BadInput;
use crate::place::Place;
use crate::progress::Progress;
use crate::roster::Roster;
use crate::tools::{HostTool, takes};

/// Hosts of one call.
const MOST: usize = 32;
/// Hosts that are asked at the same time.
const AT_ONCE: usize = 8;
/// Bytes that the answer of one host may show at least.
const LEAST_BUDGET: usize = 2048;

/// The hosts that `call` names, where it names several; what names them leaves its
/// arguments.
pub(super) fn hosts(roster: &Roster, call: &mut Call) -> Result<Option<Vec<String>>, BadInput> {
    let tool = call.origin.tool.as_str();
    let Some(arguments) = &mut call.arguments else { return Ok(None) };
    let mut taken = |name: &str| {
        let value = takes(tool, name).then(|| arguments.remove(name)).flatten();
        value.filter(|value| !value.is_null())
    };
    let (names, labels) = (taken("hosts"), taken("host_labels"));
    let several = names.is_some() || labels.is_some();
    if several && arguments.get("host").is_some_and(|host| !host.is_null()) {
        let message = "give `host`, `hosts` or `host_labels`, and only one of them";
        return Err(BadInput::field("host", message));
    }
    let project = arguments.get("project").and_then(Value::as_str);
    let hosts = match (names, labels) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(BadInput::field("hosts", "give `hosts` or `host_labels`, not both"));
        }
        (Some(names), None) => named(names)?,
        (None, Some(labels)) => labelled(roster, project, labels)?,
    };
    if hosts.len() > MOST {
        let message = format!("{} hosts are meant; at most {MOST} are taken at once", hosts.len());
        return Err(BadInput::too_large("hosts", message));
    }
    Ok(Some(hosts))
}

fn named(names: Value) -> Result<Vec<String>, BadInput> {
    let mut hosts: Vec<String> = serde_json::from_value(names).map_err(|_| {
        BadInput::field("hosts", "`hosts` must be a list of names, as `list_hosts` has them")
    })?;
    if hosts.is_empty() {
        return Err(BadInput::field("hosts", "`hosts` is empty; name hosts, or leave it out"));
    }
    let mut seen = std::collections::BTreeSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    Ok(hosts)
}

fn labelled(
    roster: &Roster,
    project: Option<&str>,
    labels: Value,
) -> Result<Vec<String>, BadInput> {
    const FIELD: &str = "host_labels";
    let labels: BTreeMap<String, String> = serde_json::from_value(labels).map_err(|_| {
        BadInput::field(
            FIELD,
            "`host_labels` must be an object of texts, such as {\"role\": \"web\"}",
        )
    })?;
    if labels.is_empty() {
        return Err(BadInput::field(
            FIELD,
            "`host_labels` is empty; give a label, or leave it out",
        ));
    }
    let project = Place::resolve(roster, project, None)?.project;
    let of_project = Place::all(roster).into_iter().filter(|place| place.project == project);
    let has =
        |place: &Place| labels.iter().all(|(name, value)| place.labels.get(name) == Some(value));
    let hosts: Vec<String> = of_project.filter(has).map(|place| place.host).collect();
    if hosts.is_empty() {
        let message =
            format!("no host of `{project}` has these labels; list_hosts shows which have which");
        return Err(BadInput::field(FIELD, message));
    }
    Ok(hosts)
}

/// Leads each host's part, and makes one answer of all.
pub(super) async fn lead<T: HostTool>(
    gateway: &Arc<Gateway>,
    call: Call,
    hosts: Vec<String>,
) -> CallToolResponse {
    let budget = (call.budget / hosts.len()).max(LEAST_BUDGET);
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut parts = JoinSet::new();
    for (index, host) in hosts.iter().enumerate() {
        let (gateway, at_once) = (Arc::clone(gateway), Arc::clone(&at_once));
        let part = part(&call, host, budget);
        parts.spawn(async move {
            let _turn = at_once.acquire().await;
            (index, lead_one::<T>(&gateway, part).await)
        });
    }
    let mut answers: BTreeMap<usize, CallToolResult> = BTreeMap::new();
    while let Some(ended) = parts.join_next().await {
        if let Ok((index, CallToolResponse::Complete(answer))) = ended {
            answers.insert(index, answer);
        }
        let line = format!("{} of {} hosts have answered", answers.len(), hosts.len());
        call.progress.last_line().send_replace(line);
    }
    let missing = || {
        Fault::Internal("a host's part of the call came to nothing".to_owned())
            .present(&call.origin.run_id)
    };
    let answered = hosts.into_iter().enumerate();
    let answered =
        answered.map(|(index, host)| (host, answers.remove(&index).unwrap_or_else(missing)));
    together(&call.origin.run_id, answered.collect()).into()
}

/// A host's own part. Nobody is asked at the client: people are asked as for a call that
/// cannot wait.
fn part(call: &Call, host: &str, budget: usize) -> Call {
    let mut origin = call.origin.clone();
    origin.run_id = uuid::Uuid::new_v4().to_string();
    let mut arguments = call.arguments.clone().unwrap_or_default();
    arguments.insert("host".to_owned(), host.into());
    Call {
        origin,
        arguments: Some(arguments),
        profile: call.profile.clone(),
        budget,
        cancelled: call.cancelled.clone(),
        progress: Progress::silent(),
        person: None,
        takes_task: false,
    }
}

/// All answers as one; an error only where each of them is one.
fn together(run_id: &str, answers: Vec<(String, CallToolResult)>) -> CallToolResult {
    let is_error = |answer: &CallToolResult| answer.is_error == Some(true);
    let all = answers.len();
    let failed = answers.iter().filter(|(_, answer)| is_error(answer)).count();
    let headline = format!("{all} hosts were asked, {failed} of them failed\n");
    let mut content = vec![ContentBlock::text(headline)];
    let mut results = Vec::new();
    for (host, answer) in answers {
        let is_error = is_error(&answer);
        let how = if is_error { " (failed)" } else { "" };
        content.push(ContentBlock::text(format!("\n=== {host}{how}\n")));
        content.extend(answer.content);
        let result = answer.structured_content.unwrap_or_default();
        results.push(json!({ "host": host, "is_error": is_error, "result": result }));
    }
    let mut whole = if failed == all {
        CallToolResult::error(content)
    } else {
        CallToolResult::success(content)
    };
    let structured = json!({ "results": results, "failed": failed, "run_id": run_id });
    whole.structured_content = Some(structured);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hosts_failure_is_that_hosts_result() {
        let good = || {
            let mut result = CallToolResult::success(vec![ContentBlock::text("fine")]);
            result.structured_content = Some(json!({ "stdout": "fine" }));
            result
        };
        let bad = || Fault::Internal("it broke".to_owned()).present("r");
        let both = together("r", vec![("a".to_owned(), good()), ("b".to_owned(), bad())]);
        assert_ne!(both.is_error, Some(true));
        let told = both.structured_content.unwrap();
        assert_eq!((&told["results"][0]["host"], &told["failed"]), (&json!("a"), &json!(1)));
        assert_eq!(told["results"][1]["result"]["error"]["reason"], "INTERNAL");
        let none = together("r", vec![("b".to_owned(), bad())]);
        assert_eq!(none.is_error, Some(true));
    }

    #[test]
    fn hosts_are_named_once_and_not_by_anything_else() {
        assert_eq!(named(json!(["a", "b", "a"])).unwrap(), ["a", "b"]);
        assert!(
            named(json!([])).is_err() && named(json!("a")).is_err() && named(json!([1])).is_err()
        );
    }
}
