//! One connection to the warden.
//!
//! A reader task gives each event to the cell it names. When the stream ends, whoever
//! waits for an answer is told so; whoever has a cell is not, because the next
//! connection may [find it again](Link::left).
//!
//! A connection that is closed from this end is so for the warden, too, also for one
//! that accepts it later: else it would listen to nobody else.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use cofferdam_plan::channel::ChannelError;
use cofferdam_plan::{CellId, CellPlan, Refusal, WardenEvent, WardenRequest};
use rustix::net::{Shutdown, shutdown};
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Known, WardenError};
use crate::frames;

/// What became of the question for a cell: the uid and cgroup that it has.
pub(super) type Answer = Result<(u32, String), (Refusal, String)>;

/// Whether a leaf is there, why not, and the ways into it.
pub(super) type LeafAnswer = (bool, String, Vec<OwnedFd>);

/// What a warden that was started anew is asked for, and where each answer comes.
pub(super) type Asked = Vec<(CellId, oneshot::Receiver<()>)>;

/// Nobody's: that the warden has no such cell shows that it answers.
const NO_CELL: CellId = CellId([0; 16]);

/// The connection.
#[derive(Debug)]
pub(super) struct Link {
    socket: UnixStream,
    /// How long the warden may say nothing while something is asked of it.
    patience: Duration,
    sending: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    open: bool,
    /// When the warden last said anything.
    heard: Instant,
    cells: HashMap<CellId, Waiting>,
    records: Option<oneshot::Sender<Result<OwnedFd, String>>>,
    /// Who wants to know whether it answers; where there is one, it was asked.
    probes: Vec<oneshot::Sender<()>>,
}

/// Who waits for what of one cell.
#[derive(Debug)]
pub(super) struct Waiting {
    answer: Option<oneshot::Sender<Answer>>,
    /// Told that the warden has the cell of an earlier connection.
    found: Option<oneshot::Sender<()>>,
    leaves: HashMap<u32, oneshot::Sender<LeafAnswer>>,
    /// Dropped when the cell is gone.
    gone: watch::Sender<bool>,
    /// What is known of it, for whoever looks.
    known: Option<Known>,
}

impl Waiting {
    /// For the answer to [`WardenRequest::Build`] or [`WardenRequest::Adopt`].
    pub(super) fn new(
        answer: oneshot::Sender<Answer>,
        gone: watch::Sender<bool>,
        plan: Option<&CellPlan>,
    ) -> Self {
        let known = plan.map(|plan| Known {
            id: plan.cell,
            profile: plan.profile.clone(),
            subject: plan.subject.clone(),
            workspace: plan.workspace.path.as_path().to_owned(),
            since: SystemTime::now(),
        });
        Self { answer: Some(answer), found: None, leaves: HashMap::new(), gone, known }
    }
}

impl Link {
    /// Listens. Calls `ended` when the stream does.
    pub(super) fn start(
        socket: UnixStream,
        patience: Duration,
        ended: impl FnOnce(&Self) + Send + 'static,
    ) -> Arc<Self> {
        let state = Mutex::new(State {
            open: true,
            heard: Instant::now(),
            cells: HashMap::new(),
            records: None,
            probes: Vec::new(),
        });
        let sending = tokio::sync::Mutex::new(());
        let link = Arc::new(Self { socket, patience, sending, state });
        let listening = Arc::clone(&link);
        tokio::spawn(async move {
            listening.listen().await;
            ended(&listening);
        });
        link
    }

    async fn listen(&self) {
        let error = loop {
            match frames::receive::<WardenEvent>(&self.socket).await {
                Ok((event, given)) => self.deliver(event, given),
                Err(error) => break error,
            }
        };
        match error {
            _ if !self.is_open() => {}
            ChannelError::Closed => tracing::warn!("the warden closed its socket"),
            error => tracing::error!(%error, "the warden's socket is unusable"),
        }
        drop(self.close());
    }

    /// Whoever waits for an answer is told by the drop that there is none. Of a cell that
    /// was asked for nobody knows.
    fn close(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.open = false;
        // ENOTCONN: the warden did.
        _ = shutdown(&self.socket, Shutdown::Both);
        (state.records, state.probes) = (None, Vec::new());
        state.cells.retain(|_, waiting| waiting.answer.is_none());
        for waiting in state.cells.values_mut() {
            (waiting.found, waiting.leaves) = (None, HashMap::new());
        }
        state
    }

    fn deliver(&self, event: WardenEvent, given: Vec<OwnedFd>) {
        let state = &mut *self.lock();
        state.heard = Instant::now();
        let cells = &mut state.cells;
        // Nobody waits any more: the cell ends when its control socket closes.
        match event {
            WardenEvent::Building { cell, uid, cgroup } => {
                let waiting = cells.get_mut(&cell);
                let (answer, found) =
                    waiting.map(|it| (it.answer.take(), it.found.take())).unwrap_or_default();
                drop(answer.map(|answer| answer.send(Ok((uid, cgroup)))));
                _ = found.map(|found| found.send(()));
            }
            WardenEvent::Refused { cell, refusal, detail } => {
                let answer = cells.remove(&cell).and_then(|waiting| waiting.answer);
                drop(answer.map(|answer| answer.send(Err((refusal, detail)))));
            }
            WardenEvent::Gone { cell: NO_CELL } => {
                // Those of them who still wait.
                state.probes.drain(..).for_each(|probe| _ = probe.send(()));
            }
            WardenEvent::Gone { cell } => {
                // Of one that a warden was to go on with and does not have, it tells nothing.
                let waiting = cells.remove(&cell).filter(|waiting| waiting.found.is_none());
                // Nobody may wait for it any more.
                _ = waiting.map(|waiting| waiting.gone.send(true));
            }
            WardenEvent::Records(why) => {
                let records = given.into_iter().next().ok_or(why);
                // Nobody waits any more: the socket is closed by the drop.
                drop(state.records.take().map(|waiting| waiting.send(records)));
            }
            WardenEvent::Leaf { leaf, there, detail } => {
                let waiting = cells.get_mut(&leaf.cell);
                let sender = waiting.and_then(|waiting| waiting.leaves.remove(&leaf.number));
                // Nobody waits any more: the leaf goes with its cell.
                drop(sender.map(|sender| sender.send((there, detail, given))));
            }
        }
    }

    /// Has a cell's answer, and its end, told to somebody.
    pub(super) fn wait_for(&self, cell: CellId, waiting: Waiting) -> Result<(), WardenError> {
        let mut state = self.lock();
        if !state.open {
            return Err(WardenError::Gone);
        }
        state.cells.insert(cell, waiting);
        Ok(())
    }

    /// Has the answer about a leaf told to somebody; a cell that is gone is as if the
    /// warden were.
    pub(super) fn wait_for_leaf(
        &self,
        leaf: cofferdam_plan::Leaf,
        answer: oneshot::Sender<LeafAnswer>,
    ) -> Result<(), WardenError> {
        let mut state = self.lock();
        if !state.open {
            return Err(WardenError::Gone);
        }
        let cell = state.cells.get_mut(&leaf.cell).ok_or(WardenError::Gone)?;
        cell.leaves.insert(leaf.number, answer);
        Ok(())
    }

    /// Has the kernel's records given to somebody.
    pub(super) fn wait_for_records(&self, answer: oneshot::Sender<Result<OwnedFd, String>>) {
        self.lock().records = Some(answer);
    }

    /// Takes the cells of the connection before this one, which are to be asked for.
    pub(super) fn take_over(&self, left: HashMap<CellId, Waiting>) -> Asked {
        let mut state = self.lock();
        let asked = left.into_iter().map(|(id, waiting)| {
            let (found, answered) = oneshot::channel();
            state.cells.insert(id, Waiting { found: Some(found), ..waiting });
            (id, answered)
        });
        asked.collect()
    }

    /// Asks for them, and waits until it is known which of them are there. Those that
    /// are not are gone. An error where this connection ended: then [`Self::left`] has
    /// the rest.
    pub(super) async fn adopt(self: &Arc<Self>, asked: Asked) -> Result<(), WardenError> {
        for (id, _) in &asked {
            self.send(WardenRequest::Adopt(*id), None).await?;
        }
        let mut gone = 0;
        for (_, answered) in asked {
            gone += usize::from(answered.await.is_err());
        }
        if !self.is_open() {
            return Err(WardenError::Gone);
        }
        if gone > 0 {
            tracing::warn!(gone, "cells ended while there was no warden, or with it");
        }
        Ok(())
    }

    /// The cells that it had, once it has ended, for the next one.
    pub(super) fn left(&self) -> HashMap<CellId, Waiting> {
        std::mem::take(&mut self.close().cells)
    }

    /// What is known of the cells that are there.
    pub(super) fn known(&self) -> Vec<Known> {
        let bare = |id: &CellId| Known {
            id: *id,
            profile: String::new(),
            subject: String::new(),
            workspace: PathBuf::new(),
            since: SystemTime::now(),
        };
        let state = self.lock();
        let all = state.cells.iter();
        all.map(|(id, waiting)| waiting.known.clone().unwrap_or_else(|| bare(id))).collect()
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Whether the warden answers at all; waits for as long as that takes.
    pub(super) async fn answers(self: &Arc<Self>) -> Result<(), WardenError> {
        let (probe, answered) = oneshot::channel();
        let is_first = {
            let mut state = self.lock();
            if !state.open {
                return Err(WardenError::Gone);
            }
            let is_first = state.probes.is_empty();
            state.probes.retain(|probe| !probe.is_closed());
            state.probes.push(probe);
            is_first
        };
        if is_first {
            self.send(WardenRequest::Adopt(NO_CELL), None).await?;
        }
        answered.await.map_err(|_| WardenError::Gone)
    }

    /// Sends a request and waits for its answer. Where the warden says nothing for too
    /// long, neither this nor anything else, the connection is over.
    pub(super) async fn ask<T>(
        self: &Arc<Self>,
        request: WardenRequest,
        descriptor: Option<OwnedFd>,
        mut answered: oneshot::Receiver<T>,
    ) -> Result<T, WardenError> {
        self.send(request, descriptor).await?;
        let mut silent_since = Instant::now();
        loop {
            let until = silent_since + self.patience;
            if let Ok(answer) = timeout_at(until, &mut answered).await {
                return answer.map_err(|_| WardenError::Gone);
            }
            let heard = self.lock().heard;
            if heard <= silent_since {
                tracing::error!("the warden does not answer; it is connected to anew");
                drop(self.close());
                return Err(WardenError::Silent);
            }
            silent_since = heard;
        }
    }

    /// Sends a request, whole, unless the socket fails: also where who asks has no more
    /// patience meanwhile.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: WardenRequest,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), WardenError> {
        let link = Arc::clone(self);
        let sent = tokio::spawn(async move { link.write(&request, descriptor.as_ref()).await });
        sent.await.unwrap_or(Err(WardenError::Gone))
    }

    async fn write(
        &self,
        request: &WardenRequest,
        descriptor: Option<&OwnedFd>,
    ) -> Result<(), WardenError> {
        let given: Vec<_> = descriptor.into_iter().map(AsFd::as_fd).collect();
        let _turn = self.sending.lock().await;
        let sent = timeout(self.patience, frames::send(&self.socket, request, &given)).await;
        // Nothing of a frame that is too long was sent; of any other perhaps a half.
        if !matches!(sent, Ok(Ok(()) | Err(ChannelError::TooLong(..)))) {
            drop(self.close());
        }
        Ok(sent.map_err(|_| WardenError::Silent)??)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
