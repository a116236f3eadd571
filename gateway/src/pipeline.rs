//! The life of a call, from arguments to answer, the same for every tool:
//!
//! call → place in line → input → place → action → decision → permit → recorded
//! intent → host → recorded outcome → answer.
//!
//! The types hold the order: only the rules make a permit, only the recorder
//! turns a permit into a [`RecordedIntent`], and only that moves a host. A call
//! that stops on the way leaves a record that says where and why. Once the
//! intent is recorded, the rest happens in a task of its own, so that an outcome
//! follows even when the caller has gone.

use std::sync::Arc;

use cofferdam_journal::Ending;
use cofferdam_policy::Action;
use rmcp::model::{CallToolResult, ErrorData};

use crate::action::WireAction;
use crate::call::{Call, for_record};
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::Host;
use crate::input::parse;
use crate::mcp::unknown_tool;
use crate::place::Place;
use crate::record::{Draft, Ended, RecordedIntent};
use crate::result::present;
use crate::tools::{
    Acted, CheckCommandExists, ExecuteCommand, GetSystemInfo, HostTool, Job, ListDirectory,
    ReadFile, SearchFiles, Target, WriteFile, list_hosts,
};

/// A call that may be done, and is recorded as such.
struct Allowed<W> {
    intent: RecordedIntent<W>,
    host: Arc<Host>,
    place: Place,
}

/// Leads a call to its answer. Only a tool that there is not is an error of the
/// protocol; every other failure is an answer that a model can read.
pub(crate) async fn serve(gateway: &Arc<Gateway>, call: Call) -> Result<CallToolResult, ErrorData> {
    Ok(match call.origin.tool.as_str() {
        "execute_command" => lead::<ExecuteCommand>(gateway, call).await,
        "read_file" => lead::<ReadFile>(gateway, call).await,
        "write_file" => lead::<WriteFile>(gateway, call).await,
        "list_directory" => lead::<ListDirectory>(gateway, call).await,
        "search_files" => lead::<SearchFiles>(gateway, call).await,
        "get_system_info" => lead::<GetSystemInfo>(gateway, call).await,
        "check_command_exists" => lead::<CheckCommandExists>(gateway, call).await,
        "list_hosts" => list(gateway, call).await,
        other => {
            let error = unknown_tool(other);
            gateway.recorder().failure(&call.origin, "UNKNOWN_TOOL", &error.message);
            return Err(error);
        }
    })
}

/// Leads a call that a host answers, in a task of its own.
async fn lead<T: HostTool>(gateway: &Arc<Gateway>, call: Call) -> CallToolResult {
    let run_id = call.origin.run_id.clone();
    let gateway = Arc::clone(gateway);
    let task = Arc::clone(&gateway);
    let task = gateway.tasks().spawn(async move { through::<T>(&task, call).await });
    let answered = task.await.unwrap_or_else(|error| Err(Fault::Internal(error.to_string())));
    match answered {
        Ok(answer) => present(&answer),
        Err(fault) => fault.present(&run_id),
    }
}

async fn through<T: HostTool>(gateway: &Gateway, call: Call) -> Result<T::Output, Fault> {
    let recorder = gateway.recorder();
    let action = for_record(&call.origin.tool, call.arguments.as_ref());
    let mut draft = Draft::new(&call.origin, action);
    let place_in_line = gateway.admission().admit(&call.origin.caller.user).await;
    let allowed = match place_in_line {
        Ok(ref _held) => allow::<T>(gateway, &call, &mut draft),
        Err(busy) => Err(busy.into()),
    };
    match allowed {
        Ok(allowed) => act::<T>(gateway, &call, allowed).await,
        Err(fault) => {
            recorder.stopped(draft, &fault);
            Err(fault)
        }
    }
}

/// From arguments to a recorded intent; nothing has been asked of a host yet.
fn allow<T: HostTool>(
    gateway: &Gateway,
    call: &Call,
    draft: &mut Draft,
) -> Result<Allowed<T::Wire>, Fault> {
    let input: T::Input = parse(call.arguments.clone())?;
    let mut place = Place::resolve(gateway.config(), input.project(), input.host())?;
    draft.place(&place);
    let host = gateway.hosts().get(&place.host).cloned();
    let host = host.ok_or_else(|| Fault::Internal("a configured host is missing".to_owned()))?;
    place.layers = host.layers();
    let mut asked = T::ask(input, &place)?;
    T::fit(&mut asked.wire, gateway.config().limits.result_bytes.get());
    let permit = gateway.policy().decide(&call.origin, Some(&place), asked.wire.action())?;
    let intent = gateway.recorder().intent(permit, draft.clone(), asked)?;
    Ok(Allowed { intent, host, place })
}

/// Has the host act, and records how that ended before anybody hears of it.
async fn act<T: HostTool>(
    gateway: &Gateway,
    call: &Call,
    allowed: Allowed<T::Wire>,
) -> Result<T::Output, Fault> {
    let Allowed { intent, host, place } = allowed;
    let job = Job {
        host: &host,
        cancelled: &call.cancelled,
        progress: &call.progress,
        budget: gateway.config().limits.result_bytes.get(),
        workspace: place.workspace.display().to_string(),
        provenance: intent.provenance().clone(),
    };
    let (answer, ended) = match T::act(job, &intent).await {
        Ok(Acted { answer, ending, usage, sandbox, receipt }) => {
            (Ok(answer), Ended { ending, usage, sandbox, receipt: Some(receipt) })
        }
        Err(error) => {
            let fault = Fault::from(error);
            let ending = fault.ending();
            let receipt = fault.receipt();
            (Err(fault), Ended { receipt, ..Ended::with(ending) })
        }
    };
    gateway.recorder().end(intent.into_entered(), ended, T::only_reads()).await?;
    answer
}

/// Leads a call of `list_hosts`, which the gateway answers by itself.
async fn list(gateway: &Arc<Gateway>, call: Call) -> CallToolResult {
    let run_id = call.origin.run_id.clone();
    match list_through(gateway, call).await {
        Ok(answer) => present(&answer),
        Err(fault) => fault.present(&run_id),
    }
}

async fn list_through(gateway: &Gateway, call: Call) -> Result<list_hosts::Output, Fault> {
    let recorder = gateway.recorder();
    let Call { origin, arguments, .. } = call;
    let draft = Draft::new(&origin, for_record(&origin.tool, arguments.as_ref()));
    let permitted = parse::<list_hosts::Input>(arguments)
        .map_err(Fault::from)
        .and_then(|_| Ok(gateway.policy().decide(&origin, None, Action::ListHosts)?));
    let entered = match permitted {
        Ok(permit) => recorder.own_intent(permit, draft)?,
        Err(fault) => {
            recorder.stopped(draft, &fault);
            return Err(fault);
        }
    };
    let answer = list_hosts::answer(gateway.config(), gateway.hosts(), origin.run_id);
    recorder.end(entered, Ended::with(Ending::Completed), true).await?;
    Ok(answer)
}
