//! What a cell says, brought to who waits for it: one task reads it to the end.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_plan::channel::ChannelError;
use cofferdam_plan::run::LoopbackHold;
use cofferdam_plan::{CellEvent, CellId, RunEnding, RunId, RunStep};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::frames;
use crate::restart::run::KeptRun;

/// Who waits for what the cell says.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) built: Option<oneshot::Sender<CellEvent>>,
    pub(super) runs: HashMap<RunId, WaitingRun>,
    pub(super) sockets: VecDeque<oneshot::Sender<(NonZeroU16, OwnedFd)>>,
    pub(super) checks: VecDeque<oneshot::Sender<()>>,
}

#[derive(Debug)]
pub(super) struct WaitingRun {
    pub(super) started: Option<oneshot::Sender<Answer>>,
    pub(super) ended: oneshot::Sender<RunEnding>,
    /// Told before the cell's word is taken for heard.
    pub(super) kept: Option<Arc<KeptRun>>,
}

/// Whether a run started: with its descriptors and how far its loopback is held,
/// or at which step not.
pub(super) type Answer = Result<(Vec<OwnedFd>, LoopbackHold), (RunStep, i32)>;

impl Waiting {
    /// Has what outlives this process told before the event is taken for heard.
    fn note(&self, event: &CellEvent, descriptors: &[OwnedFd]) {
        let kept = |run| self.runs.get(run).and_then(|run| run.kept.as_ref());
        match event {
            CellEvent::Started { run, loopback } => {
                kept(run).inspect(|kept| kept.has_begun(*loopback, descriptors.get(1)));
            }
            CellEvent::Ended { run, ending } => {
                kept(run).inspect(|kept| kept.has_ended(*ending));
            }
            _ => {}
        }
    }
}

/// Reads what the cell says until it closes its end, breaks the protocol, or
/// nobody holds it any more.
pub(super) struct Listener {
    pub(super) id: CellId,
    pub(super) socket: Arc<UnixStream>,
    pub(super) waiting: Arc<Mutex<Waiting>>,
}

impl Listener {
    pub(super) async fn listen(self, dropped: oneshot::Receiver<Infallible>) {
        tokio::select! {
            () = self.listen_to_the_end() => {}
            _ = dropped => {}
        }
        // Whoever waits is told by the drop.
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Waiting::default();
    }

    async fn listen_to_the_end(&self) {
        loop {
            let take = |event, descriptors| self.deliver(event, descriptors);
            match frames::attend(&self.socket, take).await {
                Ok(()) => {}
                Err(ChannelError::Closed) => return,
                Err(error) => {
                    let cell = self.id;
                    tracing::warn!(%cell, %error, "the cell's control socket is unusable");
                    return;
                }
            }
        }
    }

    /// What nobody waits for is dropped: a claim about a run that was not
    /// started means nothing.
    fn deliver(&self, event: CellEvent, mut descriptors: Vec<OwnedFd>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.note(&event, &descriptors);
        let mut answer = |run, answer: Answer| {
            let started = waiting.runs.get_mut(&run).and_then(|run| run.started.take());
            started.map(|started| started.send(answer))
        };
        match event {
            CellEvent::Ready(_) | CellEvent::BuildFailed(_) => {
                drop(waiting.built.take().map(|built| built.send(event)));
            }
            CellEvent::Started { run, loopback } => {
                drop(answer(run, Ok((descriptors, loopback))));
            }
            CellEvent::FailedToStart { run, step, errno } => {
                drop(answer(run, Err((step, errno))));
                waiting.runs.remove(&run);
            }
            CellEvent::Ended { run, ending } => {
                // Nobody follows it any more.
                _ = waiting.runs.remove(&run).map(|run| run.ended.send(ending));
            }
            CellEvent::Listening { port } => {
                let made = NonZeroU16::new(port).zip(descriptors.pop());
                // Without a socket the drop tells.
                let sender = waiting.sockets.pop_front();
                drop(sender.zip(made).map(|(sender, made)| sender.send(made)));
            }
            CellEvent::Heard => drop(waiting.checks.pop_front().map(|check| check.send(()))),
        }
    }
}
