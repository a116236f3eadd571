//! Tasks whose call waits for people to agree, and is done once they did.

use cofferdam_journal::{ApprovalStep, Ending};
use rmcp::model::{CallToolResult, CreateTaskResult, DetailedTask, ErrorData, TaskPayload};
use serde_json::json;

use super::{Known, TaskId, UNKNOWN, completed, now, unknown};
use crate::approvals::{ApprovalError, RESULT_KEPT, Request, State};
use crate::call::{Call, for_record};
use crate::consent::agreed;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::record::{Draft, Ended};
use crate::result::present_error;

/// How long another gateway has to take up what people agreed to: milliseconds.
const TAKEN_UP: u64 = 10_000;

/// What a client is told whose call waits for people.
pub(super) fn of_approval(gateway: &Gateway, id: &str) -> Option<CreateTaskResult> {
    let request = gateway.approvals().get(id).ok()?;
    Some(known(&request).created())
}

/// How it stands.
pub(super) async fn get(
    gateway: &Gateway,
    call: &Call,
    id: &str,
) -> Result<DetailedTask, ErrorData> {
    // Looked at first: what is not worked on any more has all its result.
    let is_worked_on = gateway.approvals().is_waited_for(id);
    let (request, result) = owned(gateway, call, id).await?;
    let run_id = &call.origin.run_id;
    let payload = match (result, request.state) {
        (_, State::Withdrawn) => TaskPayload::Cancelled,
        (Some(result), _) => {
            let result: CallToolResult = serde_json::from_str(&result).map_err(|error| {
                ErrorData::internal_error(format!("a kept result cannot be read: {error}"), None)
            })?;
            completed(&result)?
        }
        (None, State::Refused | State::Expired) => match agreed(&request) {
            Err(lacking) => completed(&Fault::from(lacking).present(run_id))?,
            Ok(()) => TaskPayload::Working,
        },
        (None, State::Approved) if !is_worked_on && is_left(&request) => {
            completed(&call_again(id, run_id))?
        }
        (None, State::Pending | State::Approved | State::Used) => TaskPayload::Working,
    };
    Ok(known(&request).detailed(payload))
}

/// Takes the request back; what people have agreed to already goes on.
pub(super) async fn cancel(gateway: &Gateway, call: &Call, id: &str) -> Result<(), ErrorData> {
    let (request, _) = owned(gateway, call, id).await?;
    if request.state != State::Pending {
        return Ok(());
    }
    let internal = |error: String| ErrorData::internal_error(error, None);
    match gateway.approvals().withdraw(id, &call.origin.caller.token_id) {
        Ok(request) => {
            gateway.approvals().announce("withdrawn", &request);
            let recorded = gateway.recorder().approval(&request, ApprovalStep::Withdrawn, None);
            recorded.map_err(|error| internal(error.to_string()))
        }
        // Somebody answered meanwhile.
        Err(ApprovalError::Unknown(_)) => {
            Err(unknown(&TaskId::Approval(id.to_owned()).to_string()))
        }
        Err(error) => Err(internal(error.to_string())),
    }
}

/// The request of this caller's token, and what its call came to; that it was asked
/// for is recorded.
pub(super) async fn owned(
    gateway: &Gateway,
    call: &Call,
    id: &str,
) -> Result<(Request, Option<String>), ErrorData> {
    let draft = Draft::new(&call.origin, for_record(&call.origin.tool, call.arguments.as_ref()));
    let internal = |error: String| ErrorData::internal_error(error, None);
    let own = match gateway.approvals().own(id, &call.origin.caller.token_id) {
        Ok(own) => own,
        Err(ApprovalError::Unknown(_)) => {
            let error = unknown(&TaskId::Approval(id.to_owned()).to_string());
            gateway.recorder().failure(&call.origin, UNKNOWN, &error.message);
            return Err(error);
        }
        Err(error) => return Err(internal(error.to_string())),
    };
    let entered = gateway.recorder().unruled(draft);
    let entered = entered.map_err(|fault| internal(fault.to_string()))?;
    let ended = gateway.recorder().end(entered, Ended::with(Ending::Completed), true).await;
    ended.map_err(|fault| internal(fault.to_string()))?;
    Ok(own)
}

/// Whether the gateway that the call waited in must have stopped before people agreed.
fn is_left(request: &Request) -> bool {
    let agreed_at = request.votes.last().map_or(0, |vote| vote.at.saturating_mul(1000));
    now().saturating_sub(agreed_at) > TAKEN_UP
}

fn call_again(id: &str, run_id: &str) -> CallToolResult {
    let message = format!(
        "people agreed to the request {id}, but the gateway has stopped meanwhile that the call \
         waited in, and nothing was done: make the same call again, and it is done"
    );
    let error = json!({
        "reason": "CALL_AGAIN", "message": message, "approval": id, "run_id": run_id,
    });
    present_error(&message, &error)
}

fn known(request: &Request) -> Known {
    let message = match request.state {
        State::Pending => {
            format!("waits for {} more to agree ({})", request.missing(), request.id)
        }
        State::Approved | State::Used => {
            format!("people agreed ({}); it is being done", request.id)
        }
        other => format!("the request {} is {}", request.id, other.name()),
    };
    let answered_at = request.votes.last().map_or(request.created_at, |vote| vote.at);
    Known {
        id: TaskId::Approval(request.id.clone()),
        message,
        created: request.created_at.saturating_mul(1000),
        updated: answered_at.max(request.created_at).saturating_mul(1000),
        kept: request.expires_at.saturating_add(RESULT_KEPT).saturating_mul(1000),
    }
}
