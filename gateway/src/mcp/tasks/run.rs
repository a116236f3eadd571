//! Tasks whose call goes on as a run.

use std::sync::Arc;

use cofferdam_journal::Ending;
use cofferdam_proto::exec::v1::{RunState, RunSummary};
use rmcp::model::{CreateTaskResult, DetailedTask, ErrorData, TaskPayload};
use serde_json::json;

use super::{Known, RunTask, TaskId, completed, failed, now};
use crate::call::{Call, for_record};
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::Host;
use crate::pipeline::looked;
use crate::process::{self, Process};
use crate::record::{Draft, Ended};
use crate::result::present;
use crate::tools::{LookTool, Now, ReadProcess, RunNow};

/// What a client is told of a run that goes on after its call was answered with a
/// task. The host has it: that was asked a moment ago.
pub(crate) async fn of_run(host: &Host, task: RunTask, run_id: &str) -> CreateTaskResult {
    let summary = host.describe_run(run_id).await.ok().flatten().unwrap_or_default();
    known(task, &summary, None).created()
}

/// How it stands.
pub(super) async fn get(
    gateway: &Arc<Gateway>,
    mut call: Call,
    task: RunTask,
) -> Result<DetailedTask, ErrorData> {
    let run_id = call.origin.run_id.clone();
    let is_over = task.until() <= now();
    // To the rules it is what it comes to: the output of one's own process.
    ReadProcess::ABOUT.name.clone_into(&mut call.origin.tool);
    let arguments = [("process", json!(task.process)), ("is_over", json!(is_over))];
    call.arguments =
        Some(arguments.map(|(name, value)| (name.to_owned(), value)).into_iter().collect());
    match looked::<RunNow>(gateway, call).await {
        Ok(Now { summary, answer, last_line }) => {
            let payload = match &answer {
                None => TaskPayload::Working,
                Some(answer) if answer.is_cancelled() => TaskPayload::Cancelled,
                Some(answer) => completed(&present(answer))?,
            };
            Ok(known(task, &summary, last_line).detailed(payload))
        }
        Err(fault) => {
            let message = fault.to_string();
            let payload = failed(&fault, &run_id, &TaskId::Run(task.clone()))?;
            Ok(known(task, &RunSummary::default(), Some(message)).detailed(payload))
        }
    }
}

/// The caller's own run of this task; that it was asked for is recorded.
pub(super) async fn owned(
    gateway: &Gateway,
    call: &Call,
    task: &RunTask,
) -> Result<Process, ErrorData> {
    let mut draft =
        Draft::new(&call.origin, for_record(&call.origin.tool, call.arguments.as_ref()));
    let internal = |fault: Fault| ErrorData::internal_error(fault.to_string(), None);
    let found = process::find(gateway, &call.origin.caller, &task.process).await;
    let process = match found {
        Ok(process) => process,
        Err(fault) => {
            gateway.recorder().stopped(draft, &fault);
            return Err(match fault {
                Fault::Input(_) => super::unknown(&TaskId::Run(task.clone()).to_string()),
                other => internal(other),
            });
        }
    };
    draft.place(&process.place);
    let entered = gateway.recorder().unruled(draft).map_err(internal)?;
    let ended = Ended::with(Ending::Completed);
    gateway.recorder().end(entered, ended, false).await.map_err(internal)?;
    Ok(process)
}

/// Ends it with its tree. Its outcome is recorded as of every run, by both sides.
pub(super) async fn cancel(
    gateway: &Gateway,
    call: &Call,
    task: &RunTask,
) -> Result<(), ErrorData> {
    let Process { run_id, summary, place, .. } = owned(gateway, call, task).await?;
    let Some(host) = gateway.hosts().get(&place.host) else { return Ok(()) };
    if summary.state() == RunState::Ended {
        return Ok(());
    }
    host.cancel(&run_id).await.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn known(task: RunTask, run: &RunSummary, last_line: Option<String>) -> Known {
    let created = task.begun;
    let updated = run.ended_at.and_then(millis).unwrap_or_else(now).max(created);
    let seconds = updated.saturating_sub(created) / 1000;
    let message = match (&run.outcome, last_line) {
        (Some(_), _) => format!("ended after {seconds} s"),
        (None, Some(line)) => format!("{seconds} s: {line}"),
        (None, None) => format!("{seconds} s, no output yet"),
    };
    let kept = updated.saturating_add(run.kept_millis);
    Known { id: TaskId::Run(task), message, created, updated, kept }
}

fn millis(time: prost_types::Timestamp) -> Option<u64> {
    let seconds = u64::try_from(time.seconds).ok()?.checked_mul(1000)?;
    seconds.checked_add(u64::try_from(time.nanos).ok()? / 1_000_000)
}
