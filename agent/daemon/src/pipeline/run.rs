//! A command, from its request to its outcome.

use std::io;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cofferdam_journal::{Ending, Trace};
use cofferdam_plan::{LandlockPlan, Leaf};
use cofferdam_proto::exec::v1::{Finished, Outcome, Sandbox, StartRunRequest, Started, Usage};
use cofferdam_proto::intent::v1::Grant;
use cofferdam_trust::action_digest;
use serde_json::Value;
use tracing::{Instrument as _, Span};

use super::Agent;
use super::supervise::{Supervised, supervise};
use crate::cap::{Capped, CappedNetwork, Crowd, Need, cap};
use crate::cell::Fate;
use crate::cells::{Footing, Held, Wanted};
use crate::clock;
use crate::denials::FilesOfRun;
use crate::fault::Fault;
use crate::input::Kind;
use crate::intent::Verified;
use crate::outcome::{Ended, Evidence};
use crate::peers::Gateway;
use crate::planner::{
    Berth, Command, Naming, PlanError, Purpose, Survey, landlock, plan_cell, plan_run,
};
use crate::proxy::Served;
use crate::record::{CallResult, Decided, Recorded, grant_value};
use crate::registry::{Begin, Entered, Place, Run};
use crate::spool::{HELD, Reader};
use crate::streams::OwnEnds;
use crate::terminal::Terminal;
use crate::usage::CellUsage;
use crate::{describe, outcome, sandbox, streams, validate};

/// What may be left to read after a run ended: nothing holds its pipes open but
/// a descriptor that got out of the cell.
const DRAIN: Duration = Duration::from_secs(1);

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
    let StartRunRequest { intent, command, hold } = request;
    let command = command.unwrap_or_default();
    let digest = action_digest(&command);
    let verified = agent
        .intents
        .verify(gateway, intent, digest, SystemTime::now())
        .map_err(|error| agent.refuse_unverified(gateway, METHOD, error))?;
    let action = describe::command(&command);
    let briefly = describe::briefly(&command);
    let Checked { whole, capped, mut command, ceiling } = check(agent, &verified, command)
        .map_err(|fault| agent.refuse(&verified, action.clone(), fault))?;
    let kind = match (command.terminal, command.stdin_open) {
        (Some(_), _) => Kind::Terminal,
        (None, true) => Kind::Open,
        (None, false) => Kind::Closed,
    };
    let begin = Begin {
        id: verified.run(),
        action: digest,
        gateway: verified.gateway().to_string(),
        subject: verified.intent().subject.clone(),
        project: verified.intent().project.clone(),
        session: verified.intent().session.clone(),
        profile: capped.profile.name.clone(),
        command: briefly,
        input: (std::mem::take(&mut command.stdin), kind),
        terminal: command.terminal,
        spool: (agent.spool_bytes, capped.limits.output_bytes),
    };
    match agent.registry.enter(begin) {
        Ok(Entered::There(run)) => {
            let reader = first_reader(&run, hold);
            Ok(Followed { run, reader })
        }
        Ok(Entered::New(run)) => {
            let reader = first_reader(&run, hold);
            let decided = Decided { ceiling, grant: grant_value(&capped.grant()) };
            let beginning = Beginning { verified, whole, capped, command, action, decided };
            // In a task of its own: a caller that leaves does not stop it half-way.
            let span = beginning.span();
            tokio::spawn(beginning.live(Arc::clone(agent), Arc::clone(&run)).instrument(span));
            Ok(Followed { run, reader })
        }
        Err(error) => Err(agent.refuse(&verified, action, error)),
    }
}

/// Reads from the first byte on.
fn first_reader(run: &Run, hold: bool) -> Reader {
    let mut reader = run.spool().reader([0, 0]);
    if hold {
        reader.hold_its_place(HELD);
    }
    reader
}

/// A command that may be tried.
struct Checked {
    /// What the session's cell has, whatever this call's grant leaves out.
    whole: Capped,
    capped: Capped,
    command: Command,
    ceiling: [u8; 32],
}

fn check(
    agent: &Agent,
    verified: &Verified,
    command: cofferdam_proto::exec::v1::Command,
) -> Result<Checked, Fault> {
    let current = agent.admit_change(verified)?;
    let cap = |grant| cap(grant, Need::Whatever, &agent.profiles, &current.ceiling);
    let capped = cap(verified.grant())?;
    let whole = cap(Grant { programs: Vec::new(), limits: None, ..verified.grant() })?;
    let allowed = &capped.profile.allowed_variables;
    let command = validate::command(command, &capped.workspace, allowed)?;
    validate::background(&command, &capped.profile)?;
    Ok(Checked { whole, capped, command, ceiling: current.digest })
}

/// A new run that is checked and not yet recorded.
struct Beginning {
    verified: Verified,
    whole: Capped,
    capped: Capped,
    command: Command,
    action: Value,
    decided: Decided,
}

impl Beginning {
    /// What every line of the log says that belongs to the run.
    fn span(&self) -> Span {
        let run_id = &self.verified.intent().run_id;
        match self.verified.trace() {
            None => tracing::info_span!("run", run_id),
            Some(Trace { trace_id, span_id, parent_id: _ }) => {
                tracing::info_span!("run", run_id, trace_id, span_id)
            }
        }
    }

    /// The whole life of the run.
    async fn live(self, agent: Arc<Agent>, run: Arc<Run>) {
        let Self { verified, whole, capped, command, action, decided } = self;
        let ceiling = decided.ceiling;
        let (recorded, place) = match record(&agent, verified, action, decided, capped.crowd).await
        {
            Ok(recorded) => recorded,
            Err(fault) => {
                agent.registry.leave(run.id());
                run.refused(fault);
                return;
            }
        };
        let running = Running { agent: &agent, run: &run, whole: &whole, capped: &capped, ceiling };
        let came_to = running.execute(&recorded, command).await;
        finish(&agent, &run, recorded, came_to);
        drop(place);
    }
}

/// Waits for a place for a cell, takes the intent, and makes the record durable.
async fn record(
    agent: &Agent,
    verified: Verified,
    action: Value,
    decided: Decided,
    most: Crowd,
) -> Result<(Recorded, Place), Fault> {
    let place = match agent.registry.place(&Agent::user(&verified), most).await {
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
    whole: &'a Capped,
    capped: &'a Capped,
    ceiling: [u8; 32],
}

/// What a run came to.
#[derive(Default)]
struct CameTo {
    outcome: Outcome,
    usage: Usage,
    sandbox: Option<Sandbox>,
}

impl Running<'_> {
    /// Plans, finds its cell, starts and follows it to its end.
    async fn execute(&self, recorded: &Recorded, command: Command) -> CameTo {
        let Self { agent, capped, ceiling, .. } = *self;
        let asked = Instant::now();
        let never = |outcome| CameTo { outcome, ..CameTo::default() };
        let planned = tokio::task::block_in_place(|| self.plan(recorded, &command));
        let (wanted, landlock, survey) = match planned {
            Ok(planned) => planned,
            Err(error) => return never(outcome::failed_to_start("plan", 0, error.to_string())),
        };
        let protected = wanted.plan.workspace.protected.iter();
        let protected = protected.map(|path| path.as_path().to_owned()).collect();
        let cell = match agent.cells.hold(wanted).await {
            Ok(cell) => cell,
            Err(error) => return never(outcome::not_built(&error)),
        };
        let mut sandbox = sandbox::of(cell.layers(), capped, ceiling);
        let background = command.background;
        let started = self.start(&cell, landlock, command).await;
        let Boarded { running, leaf, served, own } = match started {
            Ok(boarded) => boarded,
            Err(outcome) => return CameTo { sandbox: Some(sandbox), ..never(outcome) },
        };
        let path = leaf.map(|leaf| cell.leaf_path(leaf)).unwrap_or_default();
        sandbox.layers.extend(sandbox::loopback_layer(capped, running.loopback));
        let process = running.process.as_ref();
        let watched =
            process.and_then(|it| agent.denials.started(it, cell.own_uid(), &path, asked));
        let Course { ended, usage, counted, signals, by_itself } =
            self.follow(&cell, running, leaf, own).await;
        if let Some(leaf) = leaf {
            cell.leave(leaf, background && by_itself).await;
        }
        // What lives on in the background has no way out any more: every
        // connection is in a record.
        if let Some(served) = served {
            sandbox::tell_traffic(&mut sandbox, served.stop().await);
        }
        let explained = match watched {
            Some(watched) => {
                let files = Arc::new(FilesOfRun::new(capped.clone(), survey));
                let context = sandbox::context(capped, protected, files);
                Some(agent.denials.ended(watched, !outcome::succeeded(&ended), &context).await)
            }
            None => None,
        };
        let records = explained.as_ref().map(|explained| explained.killing.clone());
        sandbox::tell_denials(&mut sandbox, explained, agent.denials.unseen());
        let counted_by = leaf.and(agent.counters.version());
        let evidence = Evidence::new(records, &sandbox, cell.own_uid(), counted_by);
        let evidence = Evidence { asked_for: signals, ..evidence };
        let outcome = outcome::attributed(ended, &evidence);
        sandbox.layers.extend(cell.protection().await);
        if let Some(room) = cell.room() {
            sandbox::tell_room(&mut sandbox, &room, outcome::succeeded(&outcome));
        }
        sandbox::tell_limits(&mut sandbox, &counted, &capped.limits);
        CameTo { outcome, usage, sandbox: Some(sandbox) }
    }

    /// The cell, what of Landlock's rules is this run's own, and what both come from.
    fn plan(
        &self,
        recorded: &Recorded,
        command: &Command,
    ) -> Result<(Wanted<'_>, Vec<LandlockPlan>, Arc<Survey>), PlanError> {
        let Self { agent, whole, capped, .. } = *self;
        let naming = Naming::of_host(&agent.name);
        let survey = |capped| agent.programs.survey(capped, Purpose::Run);
        let of_cell = survey(whole)?;
        let plan = plan_cell(whole, &of_cell, Purpose::Run, naming)?;
        let survey = survey(capped)?;
        let landlock = landlock(capped, &survey, Purpose::Run)?;
        let own = if landlock == plan.landlock { Vec::new() } else { landlock };
        let run = (!own.is_empty()).then(|| (own.clone(), Arc::clone(survey.pins())));
        let wanted = Wanted {
            user: Agent::user(recorded.verified()),
            session: (!command.one_shot).then(|| Agent::session(recorded.verified())),
            purpose: if capped.write { "change" } else { "look" },
            plan: Arc::new(plan),
            subject: Agent::subject(recorded.verified()),
            footing: Footing { cell: Arc::clone(of_cell.pins()), run },
            capped: whole,
            idle: Duration::from_millis(capped.profile.session.idle_millis),
        };
        Ok((wanted, own, survey))
    }

    async fn start(
        &self,
        cell: &Held,
        landlock: Vec<LandlockPlan>,
        command: Command,
    ) -> Result<Boarded, Outcome> {
        let Self { agent, capped, .. } = *self;
        let warden = agent.cells.warden();
        let leaf = cell.leaf(warden, capped.limits.of_run()).await;
        let leaf = leaf.map_err(|error| outcome::not_started(&error.into()))?;
        if command.background && leaf.is_none() {
            let why = "what a command leaves running is told apart by its cgroup, and this host \
                       gives cells none; start it without `background`";
            return Err(outcome::failed_to_start("background", 0, why.to_owned()));
        }
        let boarded = self.board(cell, leaf, landlock, command).await;
        if let (Err(_), Some(leaf)) = (&boarded, leaf) {
            cell.leave(leaf, false).await;
        }
        boarded
    }

    async fn board(
        &self,
        cell: &Held,
        leaf: Option<Leaf>,
        landlock: Vec<LandlockPlan>,
        command: Command,
    ) -> Result<Boarded, Outcome> {
        let Self { agent, run, capped, .. } = *self;
        let no_streams =
            |error: io::Error| outcome::failed_to_start("streams", 0, error.to_string());
        // A terminal comes from the cell.
        let pipes = command.terminal.is_none().then(|| streams::make(run.input().is_some()));
        let (child, own) = pipes.transpose().map_err(no_streams)?.unzip();
        let (proxy, served) = self.way_out(cell).await?.unzip();
        let plan = plan_run(run.id(), &command, capped, Berth { leaf, landlock, proxy });
        match cell.start(plan, child).await {
            Ok(mut running) => {
                let given = running.terminal.take();
                let own = own.map_or_else(|| self.terminal(given), Ok);
                let own = match own {
                    Ok(own) => own,
                    Err(error) => {
                        // It goes on, and is told as not started.
                        cell.give_up().await;
                        return Err(no_streams(error));
                    }
                };
                Ok(Boarded { running, leaf, served, own })
            }
            Err(error) => {
                if let Some(served) = served {
                    served.stop().await;
                }
                let error = agent.programs.explain(error, capped, &command.program);
                Err(outcome::not_started(&error))
            }
        }
    }

    /// The streams of the terminal that the cell gave.
    fn terminal(&self, given: Option<OwnedFd>) -> io::Result<OwnEnds> {
        let given = given.ok_or_else(|| io::Error::other("the cell gave no terminal"))?;
        let (terminal, own) = Terminal::new(given)?;
        self.run.has_terminal(terminal);
        Ok(own)
    }

    /// A listener of this run's own in the cell's network namespace, served by
    /// the proxy, and its port.
    async fn way_out(&self, cell: &Held) -> Result<Option<(NonZeroU16, Served)>, Outcome> {
        let CappedNetwork::Proxy(lists) = &self.capped.network else { return Ok(None) };
        let (port, socket) = cell.listen().await.map_err(|error| outcome::not_started(&error))?;
        let served = self.agent.proxy.serve(socket, lists.clone()).await;
        let served =
            served.map_err(|error| outcome::failed_to_start("network", 0, error.to_string()))?;
        Ok(Some((port, served)))
    }

    async fn follow(
        &self,
        cell: &Held,
        running: crate::cell::Running,
        leaf: Option<Leaf>,
        own: OwnEnds,
    ) -> Course {
        let Self { agent, run, capped, .. } = *self;
        let mut layers = agent.note_layers(cell.layers());
        layers.extend(sandbox::loopback_layer(capped, running.loopback));
        let run_id = uuid::Uuid::from_bytes(run.id().0).to_string();
        run.started(Started { run_id, started_at: Some(clock::now()), layers });
        let carried = Arc::clone(run);
        let mut pump =
            tokio::spawn(async move { own.carry(carried.input(), carried.spool()).await });
        let counted = leaf.map(|leaf| cell.leaf_path(leaf)).unwrap_or_default();
        run.counted_in(counted.clone());
        let out_of_memory =
            || agent.counters.lets_some_die() && agent.counters.read(&counted).oom_kills > 0;
        let supervised = supervise(cell, running, run, &mut pump, &capped.limits, out_of_memory);
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
            crate::cell::Next::Ended(ending) => {
                let usage = crate::usage::with_ending(usage, &ending);
                let outcome = outcome::of_run(&ending, &ended, usage, &capped.limits);
                let told = outcome::usage(&ending, usage);
                let by_itself = !ending.timed_out && !ending.cancelled;
                Course { ended: outcome, usage: told, counted: usage, signals, by_itself }
            }
            crate::cell::Next::Vanished => {
                let fate = if overtime { Fate::GivenUp } else { Fate::of(cell.gone()).await };
                // What broke its word is not asked again.
                cell.give_up().await;
                let outcome = outcome::of_vanished(&ended, fate, usage, &capped.limits);
                let (told, by_itself) = (Usage::default(), false);
                Course { ended: outcome, usage: told, counted: usage, signals, by_itself }
            }
        }
    }
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

/// A run that was started in its cell.
struct Boarded {
    running: crate::cell::Running,
    leaf: Option<Leaf>,
    served: Option<Served>,
    own: OwnEnds,
}

/// Takes what is left in the pipes, whether anybody reads or not.
async fn drain(run: &Run, pump: &mut tokio::task::JoinHandle<Result<(), crate::spool::LimitHit>>) {
    run.spool().take_the_rest();
    if !pump.is_finished() && tokio::time::timeout(DRAIN, &mut *pump).await.is_err() {
        pump.abort();
    }
}

/// Records the outcome and tells those who follow.
fn finish(agent: &Agent, run: &Run, recorded: Recorded, came_to: CameTo) {
    let CameTo { outcome, usage, sandbox } = came_to;
    run.spool().close();
    let [stdout_bytes, stderr_bytes] = run.spool().lengths();
    let result = CallResult {
        ending: Ending::from_wire(outcome.clone()),
        output_digest: run.spool().digest(),
        usage: Some(cofferdam_journal::Usage::from_wire(usage)),
        sandbox: sandbox.as_ref().map(sandbox::record),
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
        sandbox,
    });
    agent.registry.ended(run.id());
}
