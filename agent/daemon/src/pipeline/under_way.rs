//! A run that was started, from then on to its outcome: whether this process started
//! it or an earlier one.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_denials::Context;
use cofferdam_journal::{AppendError, Ending};
use cofferdam_plan::Leaf;
use cofferdam_proto::exec::v1::{Finished, Outcome, Sandbox, Usage};
use tokio::task::JoinHandle;

use super::Agent;
use super::supervise::{Supervised, supervise};
use crate::cap::CappedLimits;
use crate::cell::{Cell, Fate, Next, Running};
use crate::cells::Held;
use crate::denials::Watched;
use crate::outcome::{Ended, Evidence};
use crate::proxy::Served;
use crate::record::{CallResult, Recorded, Unrecorded};
use crate::registry::Run;
use crate::restart::run::Words;
use crate::spool::LimitHit;
use crate::streams::OwnEnds;
use crate::usage::CellUsage;
use crate::{outcome, sandbox};

/// What may be left to read after a run ended: nothing holds its pipes open but
/// a descriptor that got out of the cell.
const DRAIN: Duration = Duration::from_secs(1);

/// What a run came to.
#[derive(Default)]
pub(super) struct CameTo {
    pub(super) outcome: Outcome,
    pub(super) usage: Usage,
    pub(super) sandbox: Option<Sandbox>,
}

/// A run that was started in its cell.
pub(super) struct UnderWay<'a> {
    pub(super) agent: &'a Arc<Agent>,
    pub(super) run: &'a Arc<Run>,
    pub(super) cell: &'a Held,
    pub(super) leaf: Option<Leaf>,
    /// It may leave something running.
    pub(super) background: bool,
    pub(super) limits: CappedLimits,
    /// What holds it, as far as that is known at its start.
    pub(super) sandbox: Sandbox,
    pub(super) served: Option<Served>,
    /// Where the kernel's refusals are looked for, and what must be known to explain
    /// them; or why they cannot be seen.
    pub(super) refusals: Result<(Watched, Context), String>,
    /// What was done to it before this process had it.
    pub(super) ended: Ended,
    /// How long it had gone on by then.
    pub(super) since: Duration,
}

/// How a run that started went.
struct Course {
    ended: Outcome,
    usage: Usage,
    counted: CellUsage,
    /// Signals that its caller had it sent.
    signals: Vec<i32>,
    /// It was not ended: what it started in the background may go on.
    by_itself: bool,
}

impl UnderWay<'_> {
    /// Follows it to its end, and says what it came to.
    pub(super) async fn follow_to_its_end(self, running: Running, own: Option<OwnEnds>) -> CameTo {
        let Course { ended, usage, counted, signals, by_itself } = self.follow(running, own).await;
        let Self { agent, cell, leaf, background, limits, mut sandbox, served, refusals, .. } =
            self;
        if let Some(leaf) = leaf {
            cell.leave(leaf, background && by_itself).await;
        }
        // What lives on in the background has no way out any more: every
        // connection is in a record.
        if let Some(served) = served {
            sandbox::tell_traffic(&mut sandbox, served.stop().await);
        }
        let (explained, unseen) = match refusals {
            Ok((watched, context)) => {
                let failed = !outcome::succeeded(&ended);
                let explained = agent.denials.ended(watched, failed, &context).await;
                (Some(explained), agent.denials.unseen())
            }
            Err(why) => (None, why),
        };
        let records = explained.as_ref().map(|explained| explained.killing.clone());
        sandbox::tell_denials(&mut sandbox, explained, unseen);
        let counted_by = leaf.and(agent.counters.version());
        let evidence = Evidence::new(records, &sandbox, cell.own_uid(), counted_by);
        let evidence = Evidence { asked_for: signals, ..evidence };
        let outcome = outcome::attributed(ended, &evidence);
        sandbox.layers.extend(cell.protection().await);
        if let Some(room) = cell.room() {
            sandbox::tell_room(&mut sandbox, &room, outcome::succeeded(&outcome));
        }
        sandbox::tell_limits(&mut sandbox, &counted, &limits);
        CameTo { outcome, usage, sandbox: Some(sandbox) }
    }

    async fn follow(&self, running: Running, own: Option<OwnEnds>) -> Course {
        let Self { agent, run, cell, leaf, limits, .. } = self;
        let carried = Arc::clone(run);
        let mut pump = tokio::spawn(async move {
            match own {
                Some(own) => carried.carry(own).await,
                // All of it was read.
                None => Ok(()),
            }
        });
        let counted = leaf.map(|leaf| cell.leaf_path(leaf)).unwrap_or_default();
        run.counted_in(counted.clone());
        let out_of_memory =
            || agent.counters.lets_some_die() && agent.counters.read(&counted).oom_kills > 0;
        let before = (self.ended.clone(), self.since);
        let supervised = supervise(cell, running, run, &mut pump, limits, before, out_of_memory);
        let Supervised { next, mut ended, overtime, signals } = supervised.await;
        let usage = tokio::task::block_in_place(|| agent.counters.read(&counted));
        if overtime {
            cell.give_up().await;
        }
        drain(run, &mut pump).await;
        // It may have ended by itself right after it wrote too much.
        if run.spool().has_hit_limit() && ended == Ended::ByItself {
            ended = Ended::ForOutput;
        }
        match next {
            Next::Ended(ending) => {
                let usage = crate::usage::with_ending(usage, &ending);
                let outcome = outcome::of_run(&ending, &ended, usage, limits);
                let told = outcome::usage(&ending, usage);
                let by_itself = !ending.timed_out && !ending.cancelled;
                Course { ended: outcome, usage: told, counted: usage, signals, by_itself }
            }
            Next::Vanished => {
                let fate = fate(cell, overtime).await;
                let outcome = outcome::of_vanished(&ended, fate, usage, limits);
                let (told, by_itself) = (Usage::default(), false);
                Course { ended: outcome, usage: told, counted: usage, signals, by_itself }
            }
        }
    }
}

/// What became of a cell that broke its word; it is not asked again.
async fn fate(cell: &Cell, overtime: bool) -> Fate {
    let fate = if overtime { Fate::GivenUp } else { Fate::of(cell.gone()).await };
    cell.give_up().await;
    fate
}

/// Takes what is left in the pipes, whether anybody reads or not.
async fn drain(run: &Run, pump: &mut JoinHandle<Result<(), LimitHit>>) {
    run.spool().take_the_rest();
    if !pump.is_finished() && tokio::time::timeout(DRAIN, &mut *pump).await.is_err() {
        pump.abort();
    }
}

/// Takes what is left in the pipes of a run whose cell is gone.
pub(super) async fn drain_alone(run: &Arc<Run>, own: OwnEnds) {
    let carried = Arc::clone(run);
    let mut pump = tokio::spawn(async move { carried.carry(own).await });
    drain(run, &mut pump).await;
}

/// Records the outcome and tells those who follow. Where it outlives this process, it
/// stands in the run's log first: whoever is killed here leaves it to the next one.
pub(super) fn finish(agent: &Agent, run: &Run, recorded: Recorded, came_to: CameTo) {
    let CameTo { outcome, usage, sandbox } = came_to;
    run.spool().close();
    let [stdout_bytes, stderr_bytes] = run.spool().lengths();
    agent.recorder.metrics().printed(stdout_bytes, stderr_bytes);
    let finished = Finished {
        outcome: Some(outcome),
        usage: Some(usage),
        receipt: None,
        stdout_bytes,
        stderr_bytes,
        sandbox,
    };
    run.note(&Words { finished: Some(finished.clone()), ..Words::default() });
    record(agent, run, recorded, finished);
}

/// Records what is finished.
pub(super) fn record(agent: &Agent, run: &Run, recorded: Recorded, finished: Finished) {
    let result = CallResult {
        ending: Ending::from_wire(finished.outcome.clone().unwrap_or_default()),
        output_digest: run.spool().digest(),
        usage: finished.usage.map(cofferdam_journal::Usage::from_wire),
        sandbox: finished.sandbox.as_ref().map(sandbox::record),
    };
    let finished = match agent.recorder.outcome(recorded, result) {
        Ok(receipt) => Finished { receipt: Some(receipt), ..finished },
        // This process ends. The next one records it, as it ended or as lost, and nobody
        // is told what that will not say: whoever follows sees their connection end.
        Err(AppendError::Closed) => return,
        Err(_) if agent.store.is_left() => return,
        Err(error) => {
            tracing::error!(%error, "an outcome could not be recorded");
            let lost = outcome::lost(&Unrecorded::from(error).to_string());
            Finished { outcome: Some(lost), ..finished }
        }
    };
    let told = Finished { receipt: finished.receipt.clone(), ..Finished::default() };
    run.note(&Words { finished: Some(told), ..Words::default() });
    run.finished(finished);
    agent.registry.ended(run.id());
}
