//! What is done to a run while it goes on: input, a new size, a signal.
//!
//! Each is an action of its own, with an intent and an outcome in the journal; of
//! input the journal has length and digest. The run must be the caller's own: of
//! the same tenant, user and project as the intent says. One that is not is
//! answered as one that there is not.

use std::sync::Arc;
use std::time::SystemTime;

use cofferdam_journal::Ending;
use cofferdam_plan::run::RunSignal as PlanSignal;
use cofferdam_proto::exec::v1::{
    ResizeRunRequest, RunInput, RunInputTaken, RunOwner, RunResized, RunSignal, RunSignalKind,
    RunSignalled, RunSize, SignalRunRequest, WriteRunRequest,
};
use cofferdam_proto::intent::v1::{SignedIntent, SignedReceipt};
use cofferdam_trust::{action_digest, sha256};
use prost::{Message, Name};
use serde_json::Value;

use super::Agent;
use super::recording::Allowed;
use crate::fault::Fault;
use crate::intent::Verified;
use crate::peers::Gateway;
use crate::record::{CallResult, Decided, told};
use crate::registry::{Order, RegistryError, Run};
use crate::restart::run::Words;
use crate::validate::InvalidField;
use crate::{describe, validate};

/// Gives a run something to read.
///
/// # Errors
/// Where it is refused or not taken; a record says so.
pub async fn write_run(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    request: WriteRunRequest,
) -> Result<(RunInputTaken, SignedReceipt), Fault> {
    let WriteRunRequest { intent, input } = request;
    let input = input.unwrap_or_default();
    let steering = Steering {
        method: "ExecService.WriteRun",
        run: input.run_id.clone(),
        described: describe::input(&input),
        checked: validate::input(&input),
        changes: true,
    };
    let act = |run: &Run, input: RunInput| {
        let RunInput { run_id: _, offset, data, end } = input;
        let taken = run.input().take(offset, &data, end)?;
        if end && taken.bytes == data.len() {
            run.note(&Words { input_ended: true, ..Words::default() });
        }
        Ok(RunInputTaken {
            offset: taken.offset,
            bytes: taken.bytes as u64,
            waiting: taken.waiting as u64,
        })
    };
    steer(agent, gateway, intent, input, steering, act).await
}

/// Changes the size of a run's terminal.
///
/// # Errors
/// Where it is refused or cannot be done; a record says so.
pub async fn resize_run(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    request: ResizeRunRequest,
) -> Result<(RunResized, SignedReceipt), Fault> {
    let ResizeRunRequest { intent, size } = request;
    let size = size.unwrap_or_default();
    let asked = size.terminal.unwrap_or_default();
    let steering = Steering {
        method: "ExecService.ResizeRun",
        run: size.run_id.clone(),
        described: describe::resize(&size),
        checked: validate::terminal_size("size.terminal", asked).map(drop),
        changes: false,
    };
    let act = |run: &Run, size: RunSize| {
        let terminal = size.terminal.unwrap_or_default();
        run.resize(validate::terminal_size("size.terminal", terminal)?)?;
        Ok(RunResized { terminal: Some(terminal) })
    };
    steer(agent, gateway, intent, size, steering, act).await
}

/// Sends a run a signal.
///
/// # Errors
/// Where it is refused or cannot be done; a record says so.
pub async fn signal_run(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    request: SignalRunRequest,
) -> Result<(RunSignalled, SignedReceipt), Fault> {
    let SignalRunRequest { intent, signal } = request;
    let signal = signal.unwrap_or_default();
    let steering = Steering {
        method: "ExecService.SignalRun",
        run: signal.run_id.clone(),
        described: describe::signal(&signal),
        checked: order(signal.signal()).map(drop),
        changes: false,
    };
    let act = |run: &Run, signal: RunSignal| {
        run.order(order(signal.signal())?)?;
        Ok(RunSignalled { signal: signal.signal })
    };
    steer(agent, gateway, intent, signal, steering, act).await
}

fn order(signal: RunSignalKind) -> Result<Order, InvalidField> {
    Ok(Order::Signal(match signal {
        RunSignalKind::Hup => PlanSignal::Hangup,
        RunSignalKind::Int => PlanSignal::Interrupt,
        RunSignalKind::Quit => PlanSignal::Quit,
        RunSignalKind::Term => PlanSignal::Terminate,
        RunSignalKind::Kill => return Ok(Order::Kill),
        RunSignalKind::Usr1 => PlanSignal::User1,
        RunSignalKind::Usr2 => PlanSignal::User2,
        RunSignalKind::Cont => PlanSignal::Continue,
        RunSignalKind::Stop => PlanSignal::Stop,
        RunSignalKind::Tstp => PlanSignal::TerminalStop,
        RunSignalKind::Winch => PlanSignal::WindowChange,
        RunSignalKind::Unspecified => {
            let problem = "is none that this host knows".to_owned();
            return Err(InvalidField { path: "signal.signal".to_owned(), problem });
        }
    }))
}

/// What is asked, apart from how it is done.
struct Steering {
    method: &'static str,
    /// The run's id, as it was sent.
    run: String,
    /// For the record.
    described: Value,
    checked: Result<(), InvalidField>,
    /// Whether it gives the run something new to do.
    changes: bool,
}

async fn steer<W: Message + Name, A: Message>(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    intent: Option<SignedIntent>,
    wire: W,
    steering: Steering,
    act: impl FnOnce(&Run, W) -> Result<A, Fault>,
) -> Result<(A, SignedReceipt), Fault> {
    let Steering { method, run, described, checked, changes } = steering;
    let now = SystemTime::now();
    let verified = agent
        .intents
        .verify(gateway, intent, action_digest(&wire), now)
        .map_err(|error| agent.refuse_unverified(gateway, method, error))?;
    let (run, ceiling) = match checked.map_err(Fault::from).and_then(|()| {
        let current = if changes { agent.admit_change(&verified) } else { agent.admit(&verified) }?;
        Ok((own_run(agent, &verified, &run)?, current.digest))
    }) {
        Ok(checked) => checked,
        Err(fault) => return Err(agent.refuse(&verified, described, fault)),
    };
    let decided = Decided { ceiling, grant: Value::Null };
    let recorded = agent.record(Allowed { verified, action: described, decided }).await?;
    let done = act(&run, wire);
    let (ending, output_digest) = match &done {
        Ok(answer) => (Ending::Completed, sha256(&answer.encode_to_vec())),
        Err(fault) => {
            let (reason, detail) = (fault.reason().to_owned(), fault.message().to_owned());
            (Ending::Failed { reason, detail }, sha256(&[]))
        }
    };
    let result = CallResult { ending, output_digest, usage: None, sandbox: None };
    told(done, agent.recorder.outcome(recorded, result))
}

/// The run of this id, if the intent is its owner's.
fn own_run(agent: &Agent, verified: &Verified, id: &str) -> Result<Arc<Run>, Fault> {
    let intent = verified.intent();
    let subject = intent.subject.clone().unwrap_or_default();
    let owner =
        RunOwner { tenant: subject.tenant, user: subject.user, project: intent.project.clone() };
    let run = agent.registry.get(&verified.gateway().to_string(), validate::run_id(id)?)?;
    if !run.is_of(&owner) {
        return Err(RegistryError::Unknown.into());
    }
    Ok(run)
}
