//! One run, as those who follow it see it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use cofferdam_plan::run::RunSignal;
use cofferdam_plan::{RunId, TerminalSize};
use cofferdam_proto::exec::v1::{
    Finished, Held, RunOwner, RunState, RunSummary, Started, Terminal as WireTerminal,
};
use cofferdam_proto::intent::v1::Subject;
use prost_types::Timestamp;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::clock;
use crate::fault::Fault;
use crate::input::{Input, Kind};
use crate::restart::run::{KeptRun, Words};
use crate::spool::{LimitHit, Room, Spool};
use crate::streams::OwnEnds;
use crate::terminal::Terminal;
use crate::usage::{Counters, Now};

/// Orders that wait to be carried out, at most.
const ORDERS: usize = 16;

/// What a run begins with.
#[derive(Debug, Default)]
pub struct Begin {
    /// Its name.
    pub id: RunId,
    /// The digest of its action.
    pub action: [u8; 32],
    /// The gateway that asked, by the name in its certificate.
    pub gateway: String,
    /// Who asked, as the gateway says.
    pub subject: Option<Subject>,
    /// In which project.
    pub project: String,
    /// In which session, as the gateway names it.
    pub session: String,
    /// The profile it was asked under.
    pub profile: String,
    /// What it runs, in words.
    pub command: String,
    /// What it reads first, and whether more can come.
    pub input: (Vec<u8>, Kind),
    /// The size of its terminal.
    pub terminal: Option<TerminalSize>,
    /// Bytes that its spool holds of each stream, and takes in all.
    pub spool: (usize, u64),
}

/// A run.
#[derive(Debug)]
pub struct Run {
    id: RunId,
    action: [u8; 32],
    gateway: String,
    subject: Option<Subject>,
    project: String,
    session: String,
    profile: String,
    command: String,
    input: Input,
    terminal: Mutex<(Option<Terminal>, Option<TerminalSize>)>,
    spool: Arc<Spool>,
    state: watch::Sender<State>,
    cancelled: watch::Sender<Option<&'static str>>,
    kept: AtomicBool,
    orders: mpsc::Sender<Order>,
    waiting: Mutex<Option<mpsc::Receiver<Order>>>,
    ended: OnceLock<(Instant, Timestamp)>,
    /// Its cgroup, beneath each controller.
    counted: OnceLock<String>,
    /// Where it outlives this process.
    in_store: OnceLock<Arc<KeptRun>>,
}

/// Who asks for the end of runs, in the words of outcomes.
#[must_use]
pub fn known(by: &str) -> &'static str {
    const ALL: [&str; 5] =
        ["caller", "a caller that left", "session closed", "agent stopped", "host owner"];
    ALL.into_iter().find(|it| *it == by).unwrap_or("caller")
}

/// What whoever supervises a run is to do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Send a signal.
    Signal(RunSignal),
    /// End its whole tree at once.
    Kill,
}

/// Why a run cannot be steered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SteerError {
    /// It has not started.
    #[error("it is being started; try again in a moment")]
    Starting,
    /// It is over.
    #[error("it has ended")]
    Ended,
    /// It has no terminal.
    #[error("it has no terminal; start it with one")]
    NoTerminal,
    /// Its terminal does not take it.
    #[error("its terminal cannot be changed: {0}")]
    Terminal(std::io::ErrorKind),
    /// Too much is asked of it.
    #[error("too many signals wait for it; try again in a moment")]
    Busy,
}

/// How far a run is.
#[derive(Debug, Clone)]
pub enum State {
    /// Recorded, planned, built.
    Starting,
    /// Its program has been executed.
    Running(Started),
    /// It ended; without [`Started`] it never started.
    Ended(Option<Started>, Box<Finished>),
    /// It was refused; there is no record of an intent.
    Refused(Fault),
}

impl Run {
    pub(super) fn new(begin: Begin, room: &Arc<Room>) -> Self {
        let Begin {
            id,
            action,
            gateway,
            subject,
            project,
            session,
            profile,
            command,
            input,
            terminal,
            spool,
        } = begin;
        let (capacity, limit) = spool;
        let (orders, waiting) = mpsc::channel(ORDERS);
        Self {
            id,
            action,
            gateway,
            subject,
            project,
            session,
            profile,
            command,
            input: Input::new(input.0, input.1),
            terminal: Mutex::new((None, terminal)),
            spool: Arc::new(Spool::within(room, capacity, limit)),
            state: watch::Sender::new(State::Starting),
            cancelled: watch::Sender::new(None),
            kept: AtomicBool::new(false),
            orders,
            waiting: Mutex::new(Some(waiting)),
            ended: OnceLock::new(),
            counted: OnceLock::new(),
            in_store: OnceLock::new(),
        }
    }

    /// From now on it outlives this process.
    pub fn is_kept_by(&self, kept: Arc<KeptRun>) {
        self.in_store.get_or_init(|| kept);
    }

    /// Has the next process know something of it.
    pub fn note(&self, words: &Words) {
        _ = self.in_store.get().inspect(|kept| kept.note(words));
    }

    /// Moves its streams until they end.
    ///
    /// # Errors
    /// Where the output limit is hit; the run is then to be ended.
    pub async fn carry(&self, own: OwnEnds) -> Result<(), LimitHit> {
        let fed = || _ = self.in_store.get().inspect(|kept| kept.input_is_over());
        own.carry(&self.input, &self.spool, fed).await
    }

    /// Nobody asks for it any more, or it does not outlive this process any more.
    pub(super) fn is_forgotten(&self) {
        _ = self.in_store.get().inspect(|kept| kept.let_go());
    }

    /// It goes on as an earlier process left it, ended.
    pub fn resumed(&self, started: Option<Started>, finished: Finished) {
        if let Some(started) = started {
            self.started(started);
        }
        self.finished(finished);
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// The digest of its action.
    #[must_use]
    pub fn action(&self) -> [u8; 32] {
        self.action
    }

    /// Its output.
    #[must_use]
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// What it is given to read.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The tenant and the user that it counts for.
    #[must_use]
    pub fn owner(&self) -> (&str, &str) {
        self.subject.as_ref().map_or(("", ""), |subject| (&subject.tenant, &subject.user))
    }

    /// The gateway that asked for it.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Whether this gateway asked for it. What a gateway says of its users, and
    /// whom the host's owner lets it act for, is about its own runs only: no other
    /// one is told of a run, or does anything to it. Gateways that share a name are
    /// one.
    #[must_use]
    pub fn is_through(&self, gateway: &str) -> bool {
        self.gateway == gateway
    }

    /// Whether it is a run of `owner`.
    #[must_use]
    pub fn is_of(&self, owner: &RunOwner) -> bool {
        let RunOwner { tenant, user, project } = owner;
        self.owner() == (tenant, user) && (project.is_empty() || *project == self.project)
    }

    /// Whether it belongs to this session of its owner's.
    #[must_use]
    pub fn is_in(&self, session: &str) -> bool {
        self.session == session
    }

    /// What it runs, in words.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }

    /// It goes on while nobody follows it.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
        self.note(&Words { kept: true, ..Words::default() });
    }

    /// Whether it goes on while nobody follows it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// Has its supervisor do something.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn order(&self, order: Order) -> Result<(), SteerError> {
        self.check_running()?;
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SteerError::Busy,
            mpsc::error::TrySendError::Closed(_) => SteerError::Ended,
        })
    }

    /// Where orders come; its supervisor takes it once.
    pub fn orders(&self) -> Option<mpsc::Receiver<Order>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Its terminal, once there is one.
    pub fn has_terminal(&self, terminal: Terminal) {
        self.terminal().0 = Some(terminal);
    }

    /// Changes the size of its terminal.
    ///
    /// # Errors
    /// Where it has none, or does not run.
    pub fn resize(&self, size: TerminalSize) -> Result<(), SteerError> {
        let mut terminal = self.terminal();
        if terminal.1.is_none() {
            return Err(SteerError::NoTerminal);
        }
        self.check_running()?;
        let (Some(own), known) = &mut *terminal else { return Err(SteerError::Starting) };
        own.resize(size).map_err(|error| SteerError::Terminal(error.kind()))?;
        *known = Some(size);
        let TerminalSize { rows, columns } = size;
        let (rows, columns) = (rows.into(), columns.into());
        self.note(&Words { rows, columns, ..Words::default() });
        Ok(())
    }

    fn check_running(&self) -> Result<(), SteerError> {
        match &*self.state.borrow() {
            State::Starting => Err(SteerError::Starting),
            State::Running(_) => Ok(()),
            State::Ended(..) | State::Refused(_) => Err(SteerError::Ended),
        }
    }

    fn terminal(&self) -> MutexGuard<'_, (Option<Terminal>, Option<TerminalSize>)> {
        self.terminal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it ended.
    #[must_use]
    pub fn ended_at(&self) -> Option<Instant> {
        self.ended.get().map(|(at, _)| *at)
    }

    /// How far it is, now and later.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// What it uses is counted there, beneath each controller; empty: nowhere.
    pub fn counted_in(&self, cgroup: String) {
        self.counted.get_or_init(|| cgroup);
    }

    /// Its program has been executed.
    pub fn started(&self, started: Started) {
        self.state.send_replace(State::Running(started));
    }

    /// It ended.
    pub fn finished(&self, finished: Finished) {
        self.ended.get_or_init(|| (Instant::now(), clock::now()));
        _ = self.in_store.get().inspect(|kept| kept.streams_are_over());
        // Whoever has the other end open is no process of the run any more.
        self.terminal().0 = None;
        self.state.send_modify(|state| {
            let started = match state {
                State::Running(started) => Some(started.clone()),
                State::Starting | State::Ended(..) | State::Refused(_) => None,
            };
            *state = State::Ended(started, Box::new(finished));
        });
    }

    /// It was refused before it was recorded.
    pub fn refused(&self, fault: Fault) {
        self.spool.close();
        self.state.send_replace(State::Refused(fault));
    }

    /// Asks for its end; the first one who asks is remembered.
    pub fn cancel(&self, by: &'static str) {
        self.note(&Words { cancelled: by.to_owned(), ..Words::default() });
        self.cancelled.send_if_modified(|cancelled| {
            let first = cancelled.is_none();
            cancelled.get_or_insert(by);
            first
        });
    }

    /// Waits until somebody asks for its end, and says who.
    pub async fn cancelled(&self) -> &'static str {
        let mut cancelled = self.cancelled.subscribe();
        match cancelled.wait_for(Option::is_some).await {
            Ok(by) => by.unwrap_or_default(),
            // The sender lives in `self`.
            Err(_) => "nobody",
        }
    }

    /// In the wire's words, with what it uses now. Reads files of its cgroup.
    #[must_use]
    pub fn summary_now(&self, counters: &Counters) -> RunSummary {
        let mut summary = self.summary();
        if summary.state() == RunState::Running
            && let Some(cgroup) = self.counted.get()
        {
            let Now { used, memory_bytes, processes } = counters.now(cgroup);
            summary.usage = Some(used);
            summary.memory_bytes = memory_bytes;
            summary.processes = processes;
        }
        summary
    }

    /// In the wire's words.
    #[must_use]
    pub fn summary(&self) -> RunSummary {
        let (state, started, outcome, usage) = match &*self.state.borrow() {
            State::Starting | State::Refused(_) => (RunState::Starting, None, None, None),
            State::Running(started) => (RunState::Running, Some(started.clone()), None, None),
            State::Ended(started, finished) => {
                let Finished { outcome, usage, .. } = &**finished;
                (RunState::Ended, started.clone(), outcome.clone(), *usage)
            }
        };
        let [stdout, stderr] = self.spool.held_offsets();
        let held = |(start, end)| Some(Held { start, end });
        let is_over = self.ended.get().is_some();
        RunSummary {
            run_id: Uuid::from_bytes(self.id.0).to_string(),
            state: state.into(),
            subject: self.subject.clone(),
            profile: self.profile.clone(),
            started_at: started.and_then(|started| started.started_at),
            outcome,
            project: self.project.clone(),
            command: self.command.clone(),
            ended_at: self.ended.get().map(|(_, at)| *at),
            kept: self.is_kept(),
            terminal: self.terminal().1.map(|TerminalSize { rows, columns }| WireTerminal {
                rows: rows.into(),
                columns: columns.into(),
            }),
            stdin_open: !is_over && self.input.kind() != Kind::Closed,
            stdin_bytes: self.input.offset(),
            stdout: held(stdout),
            stderr: held(stderr),
            usage,
            memory_bytes: 0,
            processes: 0,
            kept_millis: 0,
        }
    }
}
