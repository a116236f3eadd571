//! A command, from its request to its outcome.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cofferdam_journal::Ending;
use cofferdam_plan::RunId;
use cofferdam_proto::exec::v1::{Finished, Outcome, StartRunRequest, Started, Usage};
use cofferdam_trust::action_digest;
use serde_json::Value;

use super::Agent;
use super::supervise::{Supervised, supervise};
use crate::cap::{Capped, Need, cap};
use crate::cell::Cell;
use crate::clock;
use crate::facts::Facts;
use crate::fault::Fault;
use crate::intent::Verified;
use crate::outcome::Ended;
use crate::peers::Gateway;
use crate::planner::{Command, Purpose, plan_cell, plan_run};
use crate::record::{CallResult, Decided, Recorded};
use crate::registry::{Begin, Entered, Place, Run};
use crate::spool::Reader;
use crate::{describe, outcome, streams, validate};

/// What may be left to read after a run ended: nothing holds its pipes open but
/// a descriptor that got out of the cell.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a slow reader may hold up the end of a run.
const DRAIN_FOR_READER: Duration = Duration::from_mins(1);

/// A run, and a reader of its output that was there before its first byte.
#[derive(Debug)]
pub struct Followed {
    /// The run.
    pub run: Arc<Run>,
    /// The reader.
    pub reader: Reader,
}

/// Starts a run, or attaches to the one that is there.
///
/// # Errors
/// Where it is refused; a record says so.
pub async fn start_run(
    agent: &Arc<Agent>,
    gateway: &Gateway,
    request: StartRunRequest,
) -> Result<Followed, Fault> {
    const METHOD: &str = "ExecService.StartRun";
    let StartRunRequest { intent, command } = request;
    let command = command.unwrap_or_default();
    let digest = action_digest(&command);
    let verified = agent
        .intents
        .verify(gateway, intent, digest, SystemTime::now())
        .map_err(|error| agent.refuse_unverified(gateway, METHOD, error))?;
    let action = describe::command(&command);
    let (capped, command, ceiling) = check(agent, &verified, command)
        .map_err(|fault| agent.refuse(&verified, action.clone(), fault))?;
    let begin = Begin {
        id: verified.run(),
        action: digest,
        subject: verified.intent().subject.clone(),
        profile: capped.profile.name.clone(),
        spool: (agent.spool_bytes, capped.limits.output_bytes),
    };
    match agent.registry.enter(begin) {
        Ok(Entered::There(run)) => {
            let reader = run.spool().reader([0, 0]);
            Ok(Followed { run, reader })
        }
        Ok(Entered::New(run)) => {
            let reader = run.spool().reader([0, 0]);
            let decided = Decided { ceiling, grant: Some(capped.grant()) };
            let beginning = Beginning { verified, capped, command, action, decided };
            // In a task of its own: a caller that leaves does not stop it half-way.
            tokio::spawn(beginning.live(Arc::clone(agent), Arc::clone(&run)));
            Ok(Followed { run, reader })
        }
        Err(error) => Err(agent.refuse(&verified, action, error)),
    }
}

fn check(
    agent: &Agent,
    verified: &Verified,
    command: cofferdam_proto::exec::v1::Command,
) -> Result<(Capped, Command, [u8; 32]), Fault> {
    let current = agent.ceilings.current()?;
    let capped = cap(verified.grant(), Need::Whatever, &agent.profiles, &current.ceiling)?;
    let allowed = &capped.profile.allowed_variables;
    let command = validate::command(command, &capped.workspace, allowed)?;
    Ok((capped, command, current.digest))
}

/// A new run that is checked and not yet recorded.
struct Beginning {
    verified: Verified,
    capped: Capped,
    command: Command,
    action: Value,
    decided: Decided,
}

impl Beginning {
    /// The whole life of the run.
    async fn live(self, agent: Arc<Agent>, run: Arc<Run>) {
        let Self { verified, capped, command, action, decided } = self;
        let (recorded, place) = match record(&agent, verified, action, decided).await {
            Ok(recorded) => recorded,
            Err(fault) => {
                agent.registry.leave(run.id());
                run.refused(fault);
                return;
            }
        };
        let (outcome, usage) = Running { agent: &agent, run: &run, capped: &capped }
            .execute(&recorded, command, place)
            .await;
        finish(&agent, &run, recorded, outcome, usage);
    }
}

/// Waits for a place for a cell, takes the intent, and makes the record durable.
async fn record(
    agent: &Agent,
    verified: Verified,
    action: Value,
    decided: Decided,
) -> Result<(Recorded, Place), Fault> {
    let place = match agent.registry.place().await {
        Ok(place) => place,
        Err(error) => return Err(agent.refuse(&verified, action, error)),
    };
    if let Err(error) = agent.replays.take(&verified, SystemTime::now()) {
        return Err(agent.refuse(&verified, action, error));
    }
    let run = verified.run();
    let recorded = agent.recorder.intent(verified, action, decided).await;
    recorded.map(|recorded| (recorded, place)).map_err(|error| {
        agent.replays.release(run);
        error.into()
    })
}

/// A run that is recorded.
struct Running<'a> {
    agent: &'a Arc<Agent>,
    run: &'a Arc<Run>,
    capped: &'a Capped,
}

impl Running<'_> {
    /// Plans, builds, starts and follows it to its end.
    async fn execute(
        &self,
        recorded: &Recorded,
        command: Command,
        place: Place,
    ) -> (Outcome, Usage) {
        let Self { agent, run, capped } = *self;
        let none = |outcome| (outcome, Usage::default());
        let facts = tokio::task::block_in_place(|| Facts::gather(capped, &[]));
        let naming = agent.naming(recorded.verified());
        let plan = match plan_cell(capped, &facts, Purpose::Run, naming) {
            Ok(plan) => plan,
            Err(error) => return none(outcome::failed_to_start("plan", 0, error.to_string())),
        };
        let mut cell = match Cell::build(&agent.warden, plan).await {
            Ok(cell) => cell,
            Err(error) => return none(outcome::not_built(&error)),
        };
        let ended = self.start_and_follow(&mut cell, run.id(), command).await;
        // The cell goes in its own time; its place is free once nothing is left.
        let agent = Arc::clone(agent);
        tokio::spawn(async move {
            cell.end(&agent.warden).await;
            drop(place);
        });
        ended
    }

    async fn start_and_follow(
        &self,
        cell: &mut Cell,
        id: RunId,
        mut command: Command,
    ) -> (Outcome, Usage) {
        let Self { agent, run, capped } = *self;
        let layers = agent.note_layers(cell.layers());
        let stdin = std::mem::take(&mut command.stdin);
        let (child, own) = match streams::make(!stdin.is_empty()) {
            Ok(made) => made,
            Err(error) => {
                let outcome = outcome::failed_to_start("streams", 0, error.to_string());
                return (outcome, Usage::default());
            }
        };
        let plan = plan_run(id, &command, capped, !cell.cgroup().is_empty());
        if let Err(error) = cell.start(plan, child).await {
            return (outcome::not_started(&error), Usage::default());
        }
        let run_id = uuid::Uuid::from_bytes(id.0).to_string();
        run.started(Started { run_id, started_at: Some(clock::now()), layers });
        let mut pump = tokio::spawn(own.pump(stdin, Arc::clone(run.spool())));
        let Supervised { next, mut ended } = supervise(cell, run, &mut pump, &capped.limits).await;
        let usage = tokio::task::block_in_place(|| agent.counters.read(cell.cgroup()));
        drain(run, &mut pump).await;
        // It may have ended by itself right after it wrote too much.
        if run.spool().has_hit_limit() && ended == Ended::ByItself {
            ended = Ended::ForOutput;
        }
        match next {
            crate::cell::Next::Ended(ending) => {
                let usage = crate::usage::with_ending(usage, &ending);
                let outcome = outcome::of_run(&ending, &ended, usage, &capped.limits);
                (outcome, outcome::usage(&ending, usage))
            }
            crate::cell::Next::Vanished => {
                (outcome::of_vanished(&ended, usage, &capped.limits), Usage::default())
            }
        }
    }
}

/// Takes what is left in the pipes.
async fn drain(run: &Run, pump: &mut tokio::task::JoinHandle<Result<(), crate::spool::LimitHit>>) {
    let patience = async {
        loop {
            tokio::time::sleep(DRAIN).await;
            if !run.spool().is_held_up() {
                break;
            }
        }
    };
    tokio::select! {
        _ = &mut *pump, if !pump.is_finished() => {}
        _ = tokio::time::timeout(DRAIN_FOR_READER, patience), if !pump.is_finished() => pump.abort(),
        else => {}
    }
}

/// Records the outcome and tells those who follow.
fn finish(agent: &Agent, run: &Run, recorded: Recorded, outcome: Outcome, usage: Usage) {
    run.spool().close();
    let [stdout_bytes, stderr_bytes] = run.spool().lengths();
    let result = CallResult {
        ending: Ending::from_wire(outcome.clone()),
        output_digest: run.spool().digest(),
        usage: Some(cofferdam_journal::Usage::from_wire(usage)),
    };
    let receipt = agent
        .recorder
        .outcome(recorded, result)
        .inspect_err(|error| tracing::error!(%error, "an outcome could not be recorded"))
        .ok();
    run.finished(Finished {
        outcome: Some(outcome),
        usage: Some(usage),
        receipt,
        stdout_bytes,
        stderr_bytes,
    });
    agent.registry.ended(run.id());
}
