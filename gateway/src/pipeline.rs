//! The life of a call, from arguments to answer, the same for every tool:
//!
//! call → place in line → input → place → action → decision → permit (where
//! people are asked: once they agree) → recorded intent → host → recorded
//! outcome → answer.
//!
//! The types hold the order: only the rules make a permit, only the recorder
//! turns a permit into a [`RecordedIntent`], and only that moves a host. A call
//! that stops on the way leaves a record that says where and why. Once the
//! intent is recorded, the rest happens in a task of its own, so that an outcome
//! follows even when the caller has gone.

mod goes_on;
mod look;
mod resource;
mod sessions;
mod several;
pub(crate) mod transfer;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use cofferdam_journal::Ending;
use cofferdam_policy::Action;
use cofferdam_trust::{action_digest, sha256};
use rmcp::model::{CallToolResponse, CallToolResult, CreateTaskResult, ErrorData};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::action::WireAction;
pub(crate) use goes_on::see_to_the_end;
pub(crate) use look::looked;
pub(crate) use resource::ask;
use wait::Wait;

use crate::admission::Admitted;
use crate::approvals::Exactly;
use crate::call::{Call, for_record};
use crate::consent::{Asking, Consented, Lacking, Leave};
use crate::decide::Policy;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::Host;
use crate::input::parse;
use crate::mcp::{RunTask, of_run, task_of, unknown_tool};
use crate::place::{Place, unknown_host};
use crate::process;
use crate::record::{Draft, Ended, RecordedIntent};
use crate::result::present;
use crate::runs_changed::Owner;
use crate::tools::{
    Acted, CheckCommandExists, EditFile, ExecuteCommand, GetSystemInfo, HostTool, Job, Led,
    ListDirectory, ListProcesses, ReadFile, ReadProcess, ReadService, ResizeProcess, SearchFiles,
    SignalProcess, StartProcess, Target, WaitProcess, WriteFile, WriteProcess, check_approval,
    describe_access, list_hosts,
};

/// A call that may be done, and is recorded as such.
struct Allowed<W> {
    intent: RecordedIntent<W>,
    host: Arc<Host>,
    place: Place,
    /// How long its caller waits for a run.
    wait: Option<Duration>,
    /// What stands for the call where its run takes longer.
    task: Option<RunTask>,
}

/// What came of a call.
enum Came<O> {
    /// Its answer.
    Answer(O),
    /// It goes on, and this stands for it.
    Task(Box<CreateTaskResult>),
}

/// Leads a call to its answer. Only a tool that there is not is an error of the
/// protocol; every other failure is an answer that a model can read.
pub(crate) async fn serve(
    gateway: &Arc<Gateway>,
    call: Call,
) -> Result<CallToolResponse, ErrorData> {
    Ok(match call.origin.tool.as_str() {
        "execute_command" => lead::<ExecuteCommand>(gateway, call).await,
        "start_process" => lead::<StartProcess>(gateway, call).await,
        "read_process" => look::look::<ReadProcess>(gateway, call).await,
        "wait_process" => look::look::<WaitProcess>(gateway, call).await,
        "list_processes" => look::look::<ListProcesses>(gateway, call).await,
        "write_process" => lead::<WriteProcess>(gateway, call).await,
        "resize_process" => lead::<ResizeProcess>(gateway, call).await,
        "signal_process" => lead::<SignalProcess>(gateway, call).await,
        "read_file" => lead::<ReadFile>(gateway, call).await,
        "write_file" => lead::<WriteFile>(gateway, call).await,
        "edit_file" => lead::<EditFile>(gateway, call).await,
        "read_files" => lead::<crate::tools::ReadFiles>(gateway, call).await,
        "stat_file" => lead::<crate::tools::StatFile>(gateway, call).await,
        "make_directory" => lead::<crate::tools::MakeDirectory>(gateway, call).await,
        "move_file" => lead::<crate::tools::MoveFile>(gateway, call).await,
        "copy_file" => lead::<crate::tools::CopyFile>(gateway, call).await,
        "delete_file" => lead::<crate::tools::DeleteFile>(gateway, call).await,
        "watch_files" => lead::<crate::tools::WatchFiles>(gateway, call).await,
        "list_directory" => lead::<ListDirectory>(gateway, call).await,
        "search_files" => lead::<SearchFiles>(gateway, call).await,
        "get_system_info" => lead::<GetSystemInfo>(gateway, call).await,
        "check_command_exists" => lead::<CheckCommandExists>(gateway, call).await,
        "read_service" => lead::<ReadService>(gateway, call).await,
        "open_session" => sessions::open(gateway, call).await.into(),
        "list_sessions" => sessions::list(gateway, call).await.into(),
        "close_session" => sessions::close(gateway, call).await.into(),
        "list_hosts" => list(gateway, call).await.into(),
        "describe_access" => describe(gateway, call).await.into(),
        "check_approval" => check_approval(gateway, call).await.into(),
        other => {
            let error = unknown_tool(other);
            gateway.recorder().failure(&call.origin, "UNKNOWN_TOOL", &error.message);
            return Err(error);
        }
    })
}

/// Leads a call that hosts answer: with what its session carries, to one host or to
/// several.
async fn lead<T: HostTool>(gateway: &Arc<Gateway>, mut call: Call) -> CallToolResponse {
    let hosts = crate::sessions::carry(gateway, &mut call)
        .and_then(|()| Ok(several::hosts(&gateway.roster(), &mut call)?));
    match hosts {
        Ok(None) => lead_one::<T>(gateway, call).await,
        Ok(Some(hosts)) => several::lead::<T>(gateway, call, hosts).await,
        Err(fault) => {
            let action = for_record(&call.origin.tool, call.arguments.as_ref());
            gateway.recorder().stopped(Draft::new(&call.origin, action), &fault);
            fault.respond(&call.origin.run_id)
        }
    }
}

/// Leads a call that one host answers, in a task of its own. Its caller gets an
/// answer before the task has ended where people take their time to agree.
pub(crate) async fn lead_one<T: HostTool>(gateway: &Arc<Gateway>, call: Call) -> CallToolResponse {
    let (run_id, takes_task) = (call.origin.run_id.clone(), call.takes_task);
    let gateway = Arc::clone(gateway);
    let task = Arc::clone(&gateway);
    let (early, left) = oneshot::channel();
    let leave = Leave::new(early);
    let task = async move { answer::<T>(&task, call, leave).await };
    let task = gateway.tasks().spawn(task.in_current_span());
    tokio::select! {
        answered = task => answered
            .unwrap_or_else(|error| Fault::Internal(error.to_string()).respond(&run_id)),
        Ok(fault) = left => match task_of(&gateway, &fault).filter(|_| takes_task) {
            Some(task) => CallToolResponse::Task(task),
            None => fault.respond(&run_id),
        },
    }
}

/// What a caller gets; kept for later where they may not be there any more.
async fn answer<T: HostTool>(
    gateway: &Arc<Gateway>,
    mut call: Call,
    mut leave: Leave,
) -> CallToolResponse {
    let came = through::<T>(gateway, &mut call, &mut leave).await;
    // A request that stays open has no result yet.
    let stays_open = matches!(&came, Err(Fault::Consent(Lacking::Stopping(_))));
    let answer = match came {
        Ok(Came::Answer(answer)) => present(&T::complete(gateway, &call, answer).await).into(),
        Ok(Came::Task(task)) => CallToolResponse::Task(*task),
        Err(fault) => fault.respond(&call.origin.run_id),
    };
    if let Some(request) = leave.request().filter(|_| !stays_open)
        && let CallToolResponse::Complete(result) = &answer
    {
        keep(gateway, request, result);
    }
    answer
}

fn keep(gateway: &Gateway, request: &str, answer: &CallToolResult) {
    let kept = serde_json::to_string(answer).map_err(|error| error.to_string()).and_then(|text| {
        gateway.approvals().keep_result(request, &text).map_err(|error| error.to_string())
    });
    if let Err(error) = kept {
        tracing::error!(request, error, "the result of a call that waited cannot be kept");
    }
}

async fn through<T: HostTool>(
    gateway: &Arc<Gateway>,
    call: &mut Call,
    leave: &mut Leave,
) -> Result<Came<T::Output>, Fault> {
    let action = for_record(&call.origin.tool, call.arguments.as_ref());
    let mut draft = Draft::new(&call.origin, action);
    match allow::<T>(gateway, call, &mut draft, leave).await {
        Ok((allowed, held)) => {
            let _held = T::holds_place().then_some(held);
            act::<T>(gateway, call, allowed).await
        }
        Err(fault) => {
            gateway.recorder().stopped(draft, &fault);
            Err(fault)
        }
    }
}

/// From arguments to a recorded intent; nothing has been asked of a host yet.
async fn allow<T: HostTool>(
    gateway: &Gateway,
    call: &mut Call,
    draft: &mut Draft,
    leave: &mut Leave,
) -> Result<(Allowed<T::Wire>, Admitted), Fault> {
    let user = call.origin.caller.user.clone();
    let mut held = gateway.admission().admit(&user).await?;
    let input: T::Input = parse(call.arguments.clone())?;
    let mut place = match input.process() {
        Some(handle) => process::find(gateway, &call.origin.caller, handle).await?.place,
        None => Place::resolve(&gateway.roster(), input.project(), input.host())?,
    };
    draft.place(&place);
    let host = gateway.hosts().get(&place.host).ok_or_else(|| unknown_host(&place))?;
    host.admits(T::ABOUT.name)?;
    place.layers = host.layers();
    let wait = Wait::of::<T>(call, &input);
    let mut asked = T::ask(input, &place)?;
    T::fit(&mut asked.wire, call.budget);
    let mut policy = gateway.policy();
    draft.policy(policy.version(), policy.shadow(&call.origin, Some(&place), asked.wire.action()));
    let exactly = Exactly { action: action_digest(&asked.wire), wall: asked.wall };
    let action = asked.wire.action();
    let asking = Asking { gateway, call, place: Some(&place), action, exactly };
    let mut consented = match asking.at_once(&policy)? {
        Ok(consented) => consented,
        Err(question) => {
            // Whoever waits for people takes no place from those who work.
            drop(held);
            asking.wait(&question, leave).await?;
            held = gateway.admission().admit(&user).await?;
            policy = gateway.policy();
            draft.policy(
                policy.version(),
                policy.shadow(&call.origin, Some(&place), asked.wire.action()),
            );
            asking.after(&policy, leave)?
        }
    };
    if leave.has_left(call) {
        // From here on it is done for whoever agreed, too: nobody's going away
        // ends it.
        call.cancelled = gateway.approvals().lasting();
    }
    if let Some(wished) = &call.profile {
        let narrowed = policy.narrowed(&consented.permit.grant().profile, wished)?;
        consented.narrowed = Some(narrowed);
    }
    if let Some(session) = crate::sessions::id_of(&call.origin.session) {
        gateway.sessions().used(session, &place.host)?;
    }
    let (recorder, reads) = (gateway.recorder(), T::only_reads());
    let intent = recorder.intent(consented, draft.clone(), asked, policy.statement(), reads)?;
    let (wait, task) =
        wait.with(leave.has_left(call), || process::handle(&place.host, &call.origin.run_id));
    Ok((Allowed { intent, host, place, wait, task }, held))
}

/// Has the host act, and records how that ended before anybody hears of it.
async fn act<T: HostTool>(
    gateway: &Arc<Gateway>,
    call: &Call,
    allowed: Allowed<T::Wire>,
) -> Result<Came<T::Output>, Fault> {
    let Allowed { intent, host, place, wait, task } = allowed;
    let job = Job {
        host: &host,
        cancelled: &call.cancelled,
        progress: &call.progress,
        budget: call.budget,
        workspace: place.workspace.display().to_string(),
        wait,
        provenance: intent.provenance().clone(),
    };
    let owner = Owner::of(&call.origin.caller);
    let led = T::lead(job, &intent);
    let led = match T::ABOUT.name {
        "execute_command" | "start_process" => gateway.runs_changed().around(&owner, led).await,
        _ => led.await,
    };
    let (answer, ended) = match led {
        Ok(Led::GoesOn(answer)) => {
            let open = gateway.recorder().goes_on(intent.into_entered()).await?;
            see_to_the_end(gateway, host.name(), open, owner);
            return Ok(match task {
                None => Came::Answer(answer),
                Some(task) => Came::Task(Box::new(of_run(&host, task, &call.origin.run_id).await)),
            });
        }
        Ok(Led::Ended(acted)) => {
            let Acted { answer, ending, usage, sandbox, receipt } = *acted;
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
    answer.map(Came::Answer)
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
    let mut draft =
        Draft::new(&call.origin, for_record(&call.origin.tool, call.arguments.as_ref()));
    let policy = gateway.policy();
    draft.policy(policy.version(), policy.shadow(&call.origin, None, Action::ListHosts));
    let entered = match may_list(gateway, &policy, &call) {
        Ok(permit) => recorder.own_intent(permit, draft)?,
        Err(fault) => {
            recorder.stopped(draft, &fault);
            return Err(fault);
        }
    };
    let answer = list_hosts::answer(&gateway.roster(), gateway.hosts(), call.origin.run_id);
    recorder.end(entered, Ended::with(Ending::Completed), true).await?;
    Ok(answer)
}

fn may_list(gateway: &Gateway, policy: &Policy, call: &Call) -> Result<Consented, Fault> {
    parse::<list_hosts::Input>(call.arguments.clone())?;
    let exactly = Exactly { action: sha256(call.origin.tool.as_bytes()), wall: None };
    let asking = Asking { gateway, call, place: None, action: Action::ListHosts, exactly };
    match asking.at_once(policy)? {
        Ok(consented) => Ok(consented),
        Err(question) => Err(asking.request(&question)?),
    }
}

/// Answers a call of `describe_access`, to whoever asked about themselves.
async fn describe(gateway: &Gateway, call: Call) -> CallToolResult {
    let run_id = call.origin.run_id.clone();
    match describe_through(gateway, call).await {
        Ok(answer) => present(&answer),
        Err(fault) => fault.present(&run_id),
    }
}

async fn describe_through(gateway: &Gateway, call: Call) -> Result<describe_access::Output, Fault> {
    let Call { origin, arguments, .. } = call;
    let recorder = gateway.recorder();
    let policy = gateway.policy();
    let mut draft = Draft::new(&origin, for_record(&origin.tool, arguments.as_ref()));
    draft.policy(policy.version(), None);
    let answered = parse(arguments)
        .and_then(|input| describe_access::answer(gateway, &policy, &origin, &input));
    let answer = match answered {
        Ok(answer) => answer,
        Err(bad) => {
            let fault = Fault::from(bad);
            recorder.stopped(draft, &fault);
            return Err(fault);
        }
    };
    let entered = recorder.unruled(draft)?;
    recorder.end(entered, Ended::with(Ending::Completed), true).await?;
    Ok(answer)
}

/// Answers a call of `check_approval`, to whoever asked.
async fn check_approval(gateway: &Gateway, call: Call) -> CallToolResult {
    let run_id = call.origin.run_id.clone();
    match check_through(gateway, call).await {
        Ok(answer) => present(&answer),
        Err(fault) => fault.present(&run_id),
    }
}

async fn check_through(gateway: &Gateway, call: Call) -> Result<check_approval::Output, Fault> {
    let Call { origin, arguments, .. } = call;
    let recorder = gateway.recorder();
    let draft = Draft::new(&origin, for_record(&origin.tool, arguments.as_ref()));
    let input = match parse(arguments) {
        Ok(input) => input,
        Err(bad) => {
            let fault = Fault::from(bad);
            recorder.stopped(draft, &fault);
            return Err(fault);
        }
    };
    let entered = recorder.unruled(draft)?;
    let answered = check_approval::answer(gateway.approvals(), recorder, &origin, input).await;
    let ending = answered.as_ref().map_or_else(Fault::ending, |_| Ending::Completed);
    recorder.end(entered, Ended::with(ending), true).await?;
    answered
}
