//! One connection to the warden.
//!
//! A reader task gives each event to the cell it names. When the stream ends, whoever
//! waits for an answer is told so; whoever has a cell is not, because the next
//! connection may [find it again](Link::left).

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cofferdam_plan::channel::ChannelError;
use cofferdam_plan::{CellId, CellPlan, Refusal, WardenEvent, WardenRequest};
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};

use super::{Known, WardenError};
use crate::frames;

/// What became of the question for a cell: the uid and cgroup that it has.
pub(super) type Answer = Result<(u32, String), (Refusal, String)>;

/// Whether a leaf is there, why not, and the ways into it.
pub(super) type LeafAnswer = (bool, String, Vec<OwnedFd>);

/// The connection.
#[derive(Debug)]
pub(super) struct Link {
    socket: UnixStream,
    sending: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    open: bool,
    cells: HashMap<CellId, Waiting>,
    records: Option<oneshot::Sender<Result<OwnedFd, String>>>,
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
        ended: impl FnOnce(&Self) + Send + 'static,
    ) -> Arc<Self> {
        let state = State { open: true, cells: HashMap::new(), records: None };
        let sending = tokio::sync::Mutex::new(());
        let link = Arc::new(Self { socket, sending, state: Mutex::new(state) });
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
        state.records = None;
        state.cells.retain(|_, waiting| waiting.answer.is_none());
        for waiting in state.cells.values_mut() {
            (waiting.found, waiting.leaves) = (None, HashMap::new());
        }
        state
    }

    fn deliver(&self, event: WardenEvent, given: Vec<OwnedFd>) {
        let state = &mut *self.lock();
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

    /// Asks for the cells of the connection before this one, and waits until it is known
    /// which of them are there. Those that are not are gone. An error where this
    /// connection ended: then [`Self::left`] has the rest.
    pub(super) async fn adopt(&self, left: HashMap<CellId, Waiting>) -> Result<(), WardenError> {
        let mut asked = Vec::new();
        for (id, waiting) in left {
            let (found, answered) = oneshot::channel();
            self.lock().cells.insert(id, Waiting { found: Some(found), ..waiting });
            asked.push((id, answered));
        }
        for (id, _) in &asked {
            self.send(&WardenRequest::Adopt(*id), None).await?;
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

    /// Sends a request, whole, unless the socket fails.
    pub(super) async fn send(
        &self,
        request: &WardenRequest,
        descriptor: Option<&OwnedFd>,
    ) -> Result<(), WardenError> {
        let given: Vec<_> = descriptor.into_iter().map(AsFd::as_fd).collect();
        let _turn = self.sending.lock().await;
        let sent = frames::send(&self.socket, request, &given).await;
        // Nothing of a frame that is too long was sent; of any other perhaps a half.
        if !matches!(sent, Ok(()) | Err(ChannelError::TooLong(..))) {
            drop(self.close());
        }
        Ok(sent?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
