//! The Tasks extension, `io.modelcontextprotocol/tasks`: a call that takes its time is
//! answered at once with a task, and its client asks for the rest by and by.
//!
//! A task is no thing of its own. What stands for the call is a run, which its host
//! keeps, or a request for approval, which the table of approvals keeps; the task's id
//! names it ([`TaskId`]). So a task is found by each gateway that finds those, also
//! after a restart, lives as long as they do, and is the caller's whose they are:
//! others' are answered like none. Each look at one is decided and recorded like a call.
//!
//! Only a request of 2026-07-28 that declares the extension gets a task, and only
//! where its run takes longer than a moment or people have to agree.

mod approval;
mod id;
mod run;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rmcp::model::{
    CallToolResult, CreateTaskResult, DetailedTask, ErrorData, GetTaskResult, JsonObject, Task,
    TaskPayload, TaskStatus,
};

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use serde_json::{Value, json};

use super::{is_stateless, origin};
use crate::call::Call;
use crate::consent::Lacking;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::HostError;
use crate::progress::Progress;
pub(crate) use id::{RunTask, TaskId, now};
pub(crate) use run::of_run;

/// How long a call that may become a task waits for its answer: most have one by then.
pub(crate) const MOMENT: Duration = Duration::from_secs(3);

/// What is known of a task: times in milliseconds since 1970.
struct Known {
    id: TaskId,
    message: String,
    created: u64,
    updated: u64,
    /// Until when it is kept.
    kept: u64,
}

/// How a task stands.
pub(super) async fn get(
    gateway: &Arc<Gateway>,
    call: Call,
    task: &str,
) -> Result<GetTaskResult, ErrorData> {
    let id = find(gateway, &call, task)?;
    let detailed = match id {
        TaskId::Run(run) => run::get(gateway, call, run).await?,
        TaskId::Approval(id) => approval::get(gateway, &call, &id).await?,
    };
    Ok(GetTaskResult::new(detailed))
}

/// Takes back what a task stands for: its run ends with its tree, a request is
/// withdrawn. What is over stays as it is.
pub(super) async fn cancel(
    gateway: &Arc<Gateway>,
    call: Call,
    task: &str,
) -> Result<(), ErrorData> {
    match find(gateway, &call, task)? {
        TaskId::Run(run) => run::cancel(gateway, &call, &run).await,
        TaskId::Approval(id) => approval::cancel(gateway, &call, &id).await,
    }
}

/// Takes answers to what a task asks. None of these asks anything: who sits at the
/// client is asked before there is a task. So what comes is passed over.
pub(super) async fn update(
    gateway: &Arc<Gateway>,
    call: Call,
    task: &str,
) -> Result<(), ErrorData> {
    match find(gateway, &call, task)? {
        TaskId::Run(run) => run::owned(gateway, &call, &run).await.map(drop),
        TaskId::Approval(id) => approval::owned(gateway, &call, &id).await.map(drop),
    }
}

fn find(gateway: &Gateway, call: &Call, task: &str) -> Result<TaskId, ErrorData> {
    task.parse().map_err(|_| {
        let error = unknown(task);
        gateway.recorder().failure(&call.origin, UNKNOWN, &error.message);
        error
    })
}

/// The reason of what is said of tasks that there are not.
const UNKNOWN: &str = "UNKNOWN_TASK";

/// Another's task, one that is not kept any more, and one that never was, alike.
fn unknown(task: &str) -> ErrorData {
    let shown: String = task.chars().filter(|c| !c.is_control()).take(200).collect();
    ErrorData::invalid_params(
        format!(
            "you have no task `{shown}`: it ended too long ago to be kept, or there never was one"
        ),
        Some(json!({ "reason": UNKNOWN })),
    )
}

/// What a task has come to where looking at it failed.
fn failed(fault: &Fault, run_id: &str, task: &TaskId) -> Result<TaskPayload, ErrorData> {
    match fault {
        Fault::Input(_) => Err(unknown(&task.to_string())),
        // It may be there all the same: its client asks again.
        Fault::Busy(_)
        | Fault::Host(
            HostError::Unreachable { .. } | HostError::Broken { .. } | HostError::Timeout { .. },
        ) => Ok(TaskPayload::Working),
        Fault::Unrecorded(_) | Fault::Undurable(_) | Fault::Internal(_) => {
            Err(ErrorData::internal_error(fault.to_string(), None))
        }
        // What a tool would answer, too: the model is to read it.
        other => completed(&other.present(run_id)),
    }
}

fn completed(result: &CallToolResult) -> Result<TaskPayload, ErrorData> {
    match serde_json::to_value(result) {
        Ok(Value::Object(result)) => Ok(TaskPayload::Completed { result }),
        _ => Err(ErrorData::internal_error("the result cannot be shown", None)),
    }
}

impl Known {
    fn task(self, status: TaskStatus) -> Task {
        let Self { id, message, created, updated, kept } = self;
        let ttl = kept.saturating_sub(created);
        let mut task = Task::new(id.to_string(), status, time(created), time(updated))
            .with_ttl_ms(ttl)
            .with_poll_interval_ms(interval(now().saturating_sub(created)));
        if !message.is_empty() {
            task = task.with_status_message(message);
        }
        task
    }

    fn detailed(self, payload: TaskPayload) -> DetailedTask {
        DetailedTask::new(self.task(payload.status()), payload)
    }

    fn created(self) -> CreateTaskResult {
        CreateTaskResult::new(self.task(TaskStatus::Working))
    }
}

/// How soon to ask again about what goes on for so long: milliseconds.
fn interval(age: u64) -> u64 {
    match age {
        0..30_000 => 2_000,
        30_000..300_000 => 5_000,
        _ => 15_000,
    }
}

/// RFC 3339, UTC.
fn time(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX).to_string()
}

/// What stands for a call that people have to agree to first, of which its caller is
/// told so.
pub(crate) fn task_of(gateway: &Gateway, told: &Fault) -> Option<CreateTaskResult> {
    match told {
        Fault::Consent(Lacking::Open { id, .. }) => approval::of_approval(gateway, id),
        _ => None,
    }
}

/// Whether a task may be the answer to this request: it is of 2026-07-28, by itself, and
/// declares the extension.
pub(super) fn are_taken(context: &RequestContext<RoleServer>) -> bool {
    let declared = context.client_capabilities().is_some_and(|its| its.supports_tasks());
    declared && is_stateless(context)
}

/// The question of a client about a task, in the shape of a call.
pub(super) fn question(
    gateway: &Gateway,
    context: &RequestContext<RoleServer>,
    method: &str,
    task: &str,
) -> Result<Call, ErrorData> {
    let shown: String = task.chars().take(200).collect();
    Ok(Call {
        origin: origin(context, method.to_owned())?,
        arguments: Some(JsonObject::from_iter([("task".to_owned(), json!(shown))])),
        profile: None,
        budget: gateway.config().limits.result_bytes.get(),
        cancelled: context.ct.clone(),
        progress: Progress::silent(),
        person: None,
        takes_task: false,
    })
}
