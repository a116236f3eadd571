//! A command, from its request to its outcome.

use std::io;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cofferdam_journal::Trace;
use cofferdam_plan::run::LoopbackHold;
use cofferdam_plan::{LandlockPlan, Leaf};
use cofferdam_proto::exec::v1::{Outcome, Sandbox, StartRunRequest, Started};
use cofferdam_proto::intent::v1::Grant;
use cofferdam_trust::action_digest;
use serde_json::Value;
use tracing::{Instrument as _, Span};

use super::Agent;
use super::keep::Keeping;
use super::recording::Allowed;
use super::under_way::{CameTo, UnderWay, finish};
use crate::cap::{Capped, CappedNetwork, Need, cap};
use crate::cells::{Footing, Held, Wanted};
use crate::clock;
use crate::denials::FilesOfRun;
use crate::fault::Fault;
use crate::input::Kind;
use crate::intent::Verified;
use crate::outcome::Ended;
use crate::peers::Gateway;
use crate::planner::{
    Berth, Command, Naming, PlanError, Purpose, Survey, landlock, plan_cell, plan_run,
};
use crate::proxy::Served;
use crate::record::{Decided, Recorded, grant_value};
use crate::registry::{Begin, Entered, Run};
use crate::restart::run::Words;
use crate::spool::{HELD, Reader};
use crate::streams::{OwnEnds, Relay};
use crate::terminal::Terminal;
use crate::{describe, outcome, sandbox, streams, validate};

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
        let allowed = Allowed { verified, action, decided };
        let (recorded, place) =
            match agent.record_with_place(Need::Write, capped.crowd, allowed).await {
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

/// A run that is recorded.
struct Running<'a> {
    agent: &'a Arc<Agent>,
    run: &'a Arc<Run>,
    whole: &'a Capped,
    capped: &'a Capped,
    ceiling: [u8; 32],
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
        let started = self.start(&cell, landlock, command, recorded, &sandbox).await;
        let Boarded { running, leaf, served, own } = match started {
            Ok(boarded) => boarded,
            Err(outcome) => return CameTo { sandbox: Some(sandbox), ..never(outcome) },
        };
        let path = leaf.map(|leaf| cell.leaf_path(leaf)).unwrap_or_default();
        sandbox.layers.extend(sandbox::loopback_layer(capped, running.loopback));
        self.tell_started(&cell, running.loopback);
        let process = running.process.as_ref();
        let watched =
            process.and_then(|it| agent.denials.started(it, cell.own_uid(), &path, asked));
        let files = Arc::new(FilesOfRun::new(capped.clone(), survey));
        let context = sandbox::context(capped, protected, files);
        let under_way = UnderWay {
            agent,
            run: self.run,
            cell: &cell,
            leaf,
            background,
            limits: capped.limits,
            sandbox,
            served,
            refusals: watched.map(|it| (it, context)).ok_or_else(|| agent.denials.unseen()),
            ended: Ended::ByItself,
            since: Duration::ZERO,
        };
        under_way.follow_to_its_end(running, Some(own)).await
    }

    /// Tells those who follow that it started.
    fn tell_started(&self, cell: &Held, loopback: LoopbackHold) {
        let Self { agent, run, capped, .. } = *self;
        let mut layers = agent.note_layers(cell.layers());
        layers.extend(sandbox::loopback_layer(capped, loopback));
        let run_id = uuid::Uuid::from_bytes(run.id().0).to_string();
        let started = Started { run_id, started_at: Some(clock::now()), layers };
        // Only what is new: lists of a log's entries add up.
        let layers = sandbox::loopback_layer(capped, loopback).into_iter().collect();
        let sandbox = Some(Sandbox { layers, ..Sandbox::default() });
        run.note(&Words { started: Some(started.clone()), sandbox, ..Words::default() });
        run.started(started);
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
        recorded: &Recorded,
        sandbox: &Sandbox,
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
        let keeping = Keeping { cell, leaf, recorded, sandbox, capped };
        let boarded = self.board(cell, leaf, landlock, command, keeping).await;
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
        keeping: Keeping<'_>,
    ) -> Result<Boarded, Outcome> {
        let Self { agent, run, capped, .. } = *self;
        let no_streams =
            |error: io::Error| outcome::failed_to_start("streams", 0, error.to_string());
        // A terminal comes from the cell.
        let pipes = command.terminal.is_none().then(|| streams::make(run.input().is_some()));
        let (child, own) = pipes.transpose().map_err(no_streams)?.unzip();
        let (proxy, served) = self.way_out(cell).await?.unzip();
        let kept = keeping.keep(agent, run, &command, own.as_ref(), served.is_some());
        let (kept, relays) = kept.map_err(no_streams)?;
        let plan = plan_run(run.id(), &command, capped, Berth { leaf, landlock, proxy });
        match cell.start_kept(plan, child, kept).await {
            Ok(mut running) => {
                let given = running.terminal.take();
                let own = own.map_or_else(|| self.terminal(given, relays), Ok);
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
    fn terminal(&self, given: Option<OwnedFd>, relays: Option<[Relay; 2]>) -> io::Result<OwnEnds> {
        let given = given.ok_or_else(|| io::Error::other("the cell gave no terminal"))?;
        let (terminal, own) = Terminal::new(given, relays)?;
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
}

/// A run that was started in its cell.
struct Boarded {
    running: crate::cell::Running,
    leaf: Option<Leaf>,
    served: Option<Served>,
    own: OwnEnds,
}
