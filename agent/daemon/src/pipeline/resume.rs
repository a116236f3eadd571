//! Goes on with what an earlier process left: cells, runs, and how runs ended.
//!
//! Before the first call is taken, each run whose intent has no outcome is either under
//! way again or has its outcome, and who asks for it by its id finds it at its offsets.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_journal::Recovery;
use cofferdam_plan::run::LoopbackHold;
use cofferdam_plan::{CellEvent, CellId, Decode, RunEnding, RunId};
use cofferdam_proto::exec::v1::{Sandbox, Started};

use super::Agent;
use super::under_way::{CameTo, UnderWay, drain_alone, finish, record};
use crate::cap::{CappedLimits, Crowd};
use crate::cell::{Again, Phase};
use crate::cells::{ByCell, Held};
use crate::lost::{self, Lost, Resumable};
use crate::outcome::Ended;
use crate::record::Recorded;
use crate::registry::{Begin, Run, User};
use crate::restart::run::{KeptRun, Part, Words, kind_of};
use crate::restart::{Left, left};
use crate::streams::{OwnEnds, Relay};
use crate::terminal::Terminal;
use crate::{clock, outcome, sandbox};

/// Why nothing is known of what the sandbox refused.
const UNSEEN: &str = "the agent was restarted while it ran: what the sandbox refused is not known";

/// A run that goes on.
struct Resuming {
    run: Arc<Run>,
    recorded: Recorded,
    words: Words,
    limits: CappedLimits,
    parts: HashMap<Part, OwnedFd>,
}

/// What was left, and the intents without an outcome that are among it.
#[derive(Debug, Default)]
pub struct Pending {
    left: Left,
    resumable: Resumable,
}

impl Pending {
    /// Takes what can be gone on with out of what is to be recorded as lost.
    #[must_use]
    pub fn of(left: Left, recovery: &mut Recovery) -> Self {
        let resumable = lost::set_aside(recovery, &left);
        Self { left, resumable }
    }
}

/// Goes on with all of it.
pub async fn resume(agent: &Arc<Agent>, pending: Pending) {
    let Pending { left: Left { runs, mut cells }, mut resumable } = pending;
    let mut resuming = HashMap::new();
    let mut by_cell = ByCell::new();
    for (id, left) in runs {
        let open = resumable.remove(&id);
        let Some((it, kept)) = enter(agent, id, left, open) else { continue };
        let phase = phase(&it.words);
        let Some((cell, _)) = it.words.place() else {
            let why = "its log does not name its cell".to_owned();
            tokio::spawn(end_without_cell(Arc::clone(agent), it, phase, why));
            continue;
        };
        by_cell.entry(cell).or_default().push((id, phase, kept));
        resuming.insert(id, it);
    }
    // Also those that nothing runs in: a session comes back to them.
    for cell in cells.keys() {
        by_cell.entry(*cell).or_default();
    }
    let mut resumed = Vec::new();
    for (cell, runs) in by_cell {
        let phases: HashMap<RunId, Phase> = runs.iter().map(|(id, it, _)| (*id, *it)).collect();
        let (left, agent) = (cells.remove(&cell), Arc::clone(agent));
        // At the same time: one that does not answer holds nobody up.
        let resuming = tokio::spawn(async move {
            match left {
                Some(left) => agent.cells.resume(cell, left, runs).await,
                None => Err("the service manager did not keep its cell".to_owned()),
            }
        });
        resumed.push((cell, phases, resuming));
    }
    for (cell, phases, resumed) in resumed {
        match resumed.await.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(resumed) => {
                for (id, held, again) in resumed {
                    let Some(it) = resuming.remove(&id) else { continue };
                    tokio::spawn(go_on(Arc::clone(agent), it, held, again));
                }
            }
            Err(why) => {
                tell(cell, &why, phases.len());
                for (id, phase) in phases {
                    let Some(it) = resuming.remove(&id) else { continue };
                    tokio::spawn(end_without_cell(Arc::clone(agent), it, phase, why.clone()));
                }
            }
        }
    }
    for lost in resumable.into_values() {
        let Lost { recorded, run } = lost;
        tracing::warn!(run, "a run that was left is lost");
        agent.recorder.lost(&recorded, "the service manager did not keep what it needs");
    }
}

fn tell(cell: CellId, why: &str, runs: usize) {
    tracing::warn!(%cell, why, runs, "a cell does not go on");
}

/// Enters a run so that its caller finds it. What has ended is done with here.
fn enter(
    agent: &Arc<Agent>,
    id: RunId,
    left: left::LeftRun,
    open: Option<Lost>,
) -> Option<(Resuming, Arc<KeptRun>)> {
    let left::LeftRun { kept, words, limits, mut parts } = left;
    let verified = agent.intents.recall(&words.gateway, words.signed.clone());
    let finished = words.finished.clone();
    // Without an intent that waits for an outcome it is of use for its readers only.
    let (Some(verified), true) = (verified, open.is_some() || finished.is_some()) else {
        kept.let_go();
        if let Some(Lost { recorded, .. }) = open {
            agent.recorder.lost(&recorded, "what the agent kept of it means nothing");
        }
        return None;
    };
    let intent = verified.intent();
    let begin = Begin {
        id,
        action: verified.action_digest(),
        gateway: verified.gateway().to_string(),
        subject: intent.subject.clone(),
        project: intent.project.clone(),
        session: intent.session.clone(),
        profile: words.profile.clone(),
        command: words.command.clone(),
        input: (Vec::new(), kind_of(words.input)),
        terminal: words.terminal(),
        spool: (usize::try_from(words.capacity).unwrap_or(usize::MAX), limits.output_bytes),
    };
    let run = agent.registry.resume(begin);
    // Before its log is its own: this stands there already.
    if words.kept {
        run.keep();
    }
    run.is_kept_by(Arc::clone(&kept));
    if let Err(error) = take_up(&run, &words, &mut parts) {
        tracing::error!(%error, "what a run printed cannot be read any more");
    }
    let intent_hash = <[u8; 32]>::try_from(words.intent_hash.as_slice()).unwrap_or_default();
    let recorded = Recorded::again(verified, intent_hash);
    match (open, finished) {
        (None, Some(finished)) => {
            run.spool().close();
            run.resumed(words.started.clone(), finished);
            agent.registry.ended(id);
            None
        }
        (Some(_), Some(finished)) => {
            run.spool().close();
            run.resumed(words.started.clone(), finished.clone());
            record(agent, &run, recorded, finished);
            None
        }
        (_, None) => Some((Resuming { run, recorded, words, limits, parts }, kept)),
    }
}

/// What the run printed and was given.
fn take_up(run: &Run, words: &Words, parts: &mut HashMap<Part, OwnedFd>) -> std::io::Result<()> {
    let strips = [Part::StdoutStrip, Part::StderrStrip].map(|part| parts.remove(&part));
    if let [Some(stdout), Some(stderr)] = strips {
        run.spool().take_up([stdout, stderr])?;
    }
    if let Some(input) = parts.remove(&Part::StdinStrip) {
        run.input().take_up(input.into(), words.input_ended)?;
    }
    Ok(())
}

fn phase(words: &Words) -> Phase {
    let loopback = match CellEvent::from_frame(&words.begun) {
        Ok(CellEvent::Started { loopback, .. }) => Some(loopback),
        _ => None,
    };
    match (loopback, ending(words)) {
        (None, None) => Phase::Asked,
        (Some(loopback), None) => Phase::Started(loopback),
        (loopback, Some(ending)) => Phase::Ended(loopback.unwrap_or(LoopbackHold::Full), ending),
    }
}

fn ending(words: &Words) -> Option<RunEnding> {
    match CellEvent::from_frame(&words.ended) {
        Ok(CellEvent::Ended { ending, .. }) => Some(ending),
        _ => None,
    }
}

/// What was done to it before.
fn done(words: &Words) -> Ended {
    match (words.ended_for, words.cancelled.as_str()) {
        (1, _) => Ended::ForOutput,
        (2, _) => Ended::ForSilence,
        (3, _) => Ended::ForMemory,
        (_, "") => Ended::ByItself,
        (_, by) => Ended::For(crate::registry::known(by)),
    }
}

/// How long it had gone on.
fn since(started: Option<&Started>) -> Duration {
    let started = started.and_then(|started| started.started_at);
    let at = started.and_then(|at| {
        UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(at.seconds).ok()?))
    });
    at.and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default()
}

/// A run in a cell that goes on.
async fn go_on(agent: Arc<Agent>, resuming: Resuming, held: Held, mut again: Again) {
    let Resuming { run, recorded, words, limits, mut parts } = resuming;
    let user = User::of(recorded.verified());
    // It had one; nobody else is held up for long where there are fewer now.
    let place = agent.registry.place(&user, Crowd::default()).await.ok();
    let Some(loopback) = again.started() else {
        held.kill(run.id());
        let outcome = outcome::lost("the agent was restarted before the command was started");
        finish(&agent, &run, recorded, CameTo { outcome, ..CameTo::default() });
        return;
    };
    if let Some(terminal) = again.running.terminal.take() {
        parts.entry(Part::Stdout).or_insert(terminal);
    }
    let own = streams(&run, &words, &mut parts).unwrap_or_else(|error| {
        tracing::error!(%error, "a run's streams cannot be used any more");
        None
    });
    let sandbox = sandbox_of(&words);
    let started = words.started.clone().unwrap_or_else(|| Started {
        run_id: uuid::Uuid::from_bytes(run.id().0).to_string(),
        started_at: Some(clock::now()),
        layers: sandbox.layers.clone(),
    });
    tracing::info!(run = started.run_id, ?loopback, "a run goes on");
    let since = since(Some(&started)).max(Duration::from_millis(1));
    if words.started.is_none() {
        run.note(&Words { started: Some(started.clone()), ..Words::default() });
    }
    run.started(started);
    let under_way = UnderWay {
        agent: &agent,
        run: &run,
        cell: &held,
        leaf: words.place().and_then(|(_, leaf)| leaf),
        background: words.background,
        limits,
        sandbox,
        served: None,
        refusals: Err(UNSEEN.to_owned()),
        ended: done(&words),
        since,
    };
    let came_to = under_way.follow_to_its_end(again.running, own).await;
    finish(&agent, &run, recorded, came_to);
    drop(place);
}

/// What held it; a way out of its cell ended with the agent.
fn sandbox_of(words: &Words) -> Sandbox {
    let mut sandbox = words.sandbox.clone().unwrap_or_default();
    if words.had_way_out {
        sandbox::tell_way_out_ended(&mut sandbox);
    }
    sandbox
}

/// Its streams, as far as they have not ended.
fn streams(
    run: &Run,
    words: &Words,
    parts: &mut HashMap<Part, OwnedFd>,
) -> std::io::Result<Option<OwnEnds>> {
    if words.terminal().is_none() {
        return OwnEnds::of_pipes(parts);
    }
    let Some(terminal) = parts.remove(&Part::Stdout) else { return Ok(None) };
    let mut relay = |out, into| Some(Relay(parts.remove(&out)?, parts.remove(&into)?));
    let relays = relay(Part::ShownOut, Part::ShownIn).zip(relay(Part::TypedOut, Part::TypedIn));
    let relays = relays.map(|(shown, typed)| [shown, typed]);
    let (terminal, own) = Terminal::new(terminal, relays)?;
    run.has_terminal(terminal);
    Ok(Some(own))
}

/// A run whose cell does not go on: how it ended, if PID 1 had said so.
async fn end_without_cell(agent: Arc<Agent>, resuming: Resuming, phase: Phase, why: String) {
    let Resuming { run, recorded, words, limits, mut parts } = resuming;
    match streams(&run, &words, &mut parts) {
        Ok(Some(own)) => drain_alone(&run, own).await,
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "a run's streams cannot be used any more"),
    }
    let sandbox = Some(sandbox_of(&words));
    let came_to = match phase {
        Phase::Ended(_, ending) => {
            let usage = crate::usage::with_ending(crate::usage::CellUsage::default(), &ending);
            let outcome = outcome::of_run(&ending, &done(&words), usage, &limits);
            CameTo { outcome, usage: outcome::usage(&ending, usage), sandbox }
        }
        Phase::Asked | Phase::Started(_) => {
            let outcome = outcome::lost(&format!("the agent was restarted, and {why}"));
            CameTo { outcome, sandbox, ..CameTo::default() }
        }
    };
    if let Some(started) = words.started {
        run.started(started);
    }
    finish(&agent, &run, recorded, came_to);
}
