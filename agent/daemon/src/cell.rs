//! A cell, owned by its control socket: it lives as long as this end is open.
//!
//! Several runs may go on in it at a time, each in a cgroup leaf of its own,
//! where the host has cgroups; else one after the other. Whose cell it is, and
//! how long it stays, is decided in [`crate::cells`].
//!
//! What a cell says is a claim of a process that runs beside untrusted code: it
//! is bounded, decoded strictly, and believed only for runs that were started.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cofferdam_plan::run::{LoopbackHold, RunSignal};
use cofferdam_plan::{
    BuildFailure, CellEvent, CellId, CellPlan, CellRequest, Layer, LayerReport, Leaf, Limits,
    RunEnding, RunId, RunPlan,
};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use crate::restart::cell::{KeptCell, Words};
use crate::restart::run::KeptRun;
use crate::restart::store::Store;
use crate::streams::ChildEnds;
use crate::warden::{Building, Gone, Warden, WardenError};

mod again;
mod build_error;
#[cfg(test)]
pub(crate) mod deaf;
mod fate;
mod listener;
mod post;
mod start;

pub use again::{Again, Phase};
pub use build_error::BuildError;
pub use fate::Fate;
use listener::{Listener, Waiting, WaitingRun};
use post::Post;
pub use start::{Asked, StartError};

/// How long a cell may take to be built; the warden's own limit is shorter.
const BUILD_TIME: Duration = Duration::from_secs(15);
/// How long a run may take to be executed once its cell is ready.
const START_TIME: Duration = Duration::from_secs(15);
/// How long a cell may take to vanish by itself.
const VANISH_TIME: Duration = Duration::from_secs(5);

/// Leaves that are looked at again when a new one is made: more than one, so that
/// they become fewer.
const LOOKS: usize = 2;

/// How often a warden that is started anew is asked again.
const AGAIN: usize = 3;

/// A cell that is built.
#[derive(Debug)]
pub struct Cell {
    id: CellId,
    uid: u32,
    cgroup: String,
    layers: Vec<LayerReport>,
    socket: Arc<UnixStream>,
    post: Post,
    /// Where it outlives this process.
    kept: Arc<OnceLock<KeptCell>>,
    waiting: Arc<Mutex<Waiting>>,
    last_leaf: AtomicU32,
    /// The ways into leaves, by their numbers, until their runs start.
    ways: Mutex<HashMap<u32, Vec<OwnedFd>>>,
    /// Leaves of runs that are over and left something in the background.
    left: Mutex<VecDeque<Leaf>>,
    gone: Gone,
    /// The warden was asked to end it.
    given_up: AtomicBool,
    warden: Arc<Warden>,
    /// Ends the listening task, and with it the cell, when it is dropped.
    held: oneshot::Sender<Infallible>,
}

/// A run that was started.
#[derive(Debug)]
pub struct Running {
    /// A pidfd of its first process.
    pub process: Option<OwnedFd>,
    /// The other end of its terminal.
    pub terminal: Option<OwnedFd>,
    /// How far the kernel holds it to its plan's loopback.
    pub loopback: LoopbackHold,
    ended: oneshot::Receiver<RunEnding>,
    gone: Gone,
}

/// What a started run does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It ended, and nothing of it is left.
    Ended(RunEnding),
    /// The cell ended without saying how the run did, or the warden is gone and
    /// nobody looks after the cell any more.
    Vanished,
}

impl Cell {
    /// Has a cell built.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub async fn build(warden: &Arc<Warden>, plan: CellPlan) -> Result<Self, BuildError> {
        let id = plan.cell;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let socket = Arc::new(UnixStream::from_std(ours)?);
        let building = warden.build(plan, OwnedFd::from(theirs));
        let built = tokio::time::timeout(BUILD_TIME, building);
        let Building { uid, cgroup, gone } = built.await.map_err(|_| BuildError::Late)??;
        let (built, ready) = oneshot::channel();
        let waiting = Arc::new(Mutex::new(Waiting { built: Some(built), ..Waiting::default() }));
        let (held, dropped) = oneshot::channel();
        let listener = Listener { id, socket: Arc::clone(&socket), waiting: Arc::clone(&waiting) };
        tokio::spawn(listener.listen(dropped));
        let layers = match tokio::time::timeout(BUILD_TIME, ready).await {
            Ok(Ok(CellEvent::Ready(layers))) => layers,
            Ok(Ok(CellEvent::BuildFailed(BuildFailure { step, errno, detail }))) => {
                return Err(BuildError::Failed { step, errno, detail });
            }
            Ok(Ok(_) | Err(_)) => return Err(BuildError::Vanished),
            Err(_) => return Err(BuildError::Late),
        };
        let (kept, last_leaf) = (Arc::default(), AtomicU32::default());
        let post = Post::open(Arc::clone(&socket), Arc::downgrade(&kept));
        let (given_up, left, ways) = <(AtomicBool, Mutex<_>, Mutex<_>)>::default();
        Ok(Self {
            id,
            uid,
            cgroup,
            layers,
            socket,
            post,
            kept,
            waiting,
            last_leaf,
            ways,
            left,
            gone,
            given_up,
            warden: Arc::clone(warden),
            held,
        })
    }

    /// From now on it outlives this process. Nothing was started in it yet.
    ///
    /// # Errors
    /// Where the service manager does not take it.
    pub fn keep(&self, store: &Store, words: Words) -> std::io::Result<()> {
        let words = Words { layers: Words::of_layers(&self.layers), ..words };
        let socket = self.socket.as_fd().try_clone_to_owned()?;
        let kept = KeptCell::begin(store, self.id, &words, &socket)?;
        // Once is enough.
        drop(self.kept.set(kept));
        Ok(())
    }

    /// Whether it outlives this process.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept.get().is_some()
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> CellId {
        self.id
    }

    /// The uid that its runs have.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The uid, where no other cell and nobody else has it.
    #[must_use]
    pub fn own_uid(&self) -> Option<u32> {
        let mut user = self.layers.iter().filter(|report| report.layer == Layer::User);
        user.any(|report| report.effective).then_some(self.uid)
    }

    /// The cell's layers, as its builder reported them.
    #[must_use]
    pub fn layers(&self) -> &[LayerReport] {
        &self.layers
    }

    /// The cell's cgroup, relative to each hierarchy's mount; empty: none.
    #[must_use]
    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// Tells when nothing of it is left.
    #[must_use]
    pub fn gone(&self) -> Gone {
        self.gone.clone()
    }

    /// Whether it is still there, and not given up.
    #[must_use]
    pub fn is_there(&self) -> bool {
        !self.gone.is_gone() && !self.given_up.load(Ordering::Relaxed)
    }

    /// Has the warden end it, because its PID 1 does not do as it should: with all
    /// that goes on in it. Waits a while until nothing of it is left.
    pub async fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
        destroy(&self.warden, self.id, self.gone()).await;
    }

    /// A cgroup leaf for one run; `None` where the cell has no cgroup.
    ///
    /// # Errors
    /// Where the warden makes none.
    pub async fn leaf(&self, warden: &Warden, limits: Limits) -> Result<Option<Leaf>, WardenError> {
        if self.cgroup.is_empty() {
            return Ok(None);
        }
        self.look_for_left().await;
        let mut again = 0..AGAIN;
        loop {
            let number = self.last_leaf.fetch_add(1, Ordering::Relaxed) + 1;
            let leaf = Leaf { cell: self.id, number };
            match warden.make_leaf(leaf, limits).await {
                Ok(ways) => {
                    self.lock_ways().insert(number, ways);
                    return Ok(Some(leaf));
                }
                // The warden was started anew, perhaps after it made this one.
                Err(WardenError::Gone | WardenError::Silent | WardenError::Channel(_))
                    if self.is_there() && again.next().is_some() =>
                {
                    self.lock_left().push_back(leaf);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Has the leaf of a run removed that is over: that it can be is the kernel's
    /// word that nothing of the run is left. Where something is, the cell is given
    /// up. `background`: it may leave something.
    pub async fn leave(&self, leaf: Leaf, background: bool) {
        self.lock_ways().remove(&leaf.number);
        if background {
            self.lock_left().push_back(leaf);
            self.look_for_left().await;
        } else if matches!(self.warden.end_leaf(leaf).await, Ok(false)) {
            tracing::error!(cell = %self.id, "what a run left does not end; its cell is given up");
            self.give_up().await;
        }
    }

    /// Removes a few of the leaves that runs left something in, if it has ended.
    async fn look_for_left(&self) {
        for _ in 0..LOOKS {
            let Some(leaf) = self.lock_left().pop_front() else { return };
            if matches!(self.warden.remove_leaf(leaf).await, Ok(true)) {
                self.lock_left().push_back(leaf);
            }
        }
    }

    fn lock_left(&self) -> MutexGuard<'_, VecDeque<Leaf>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_ways(&self) -> MutexGuard<'_, HashMap<u32, Vec<OwnedFd>>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the leaf is, relative to each hierarchy's mount.
    #[must_use]
    pub fn leaf_path(&self, leaf: Leaf) -> String {
        format!("{}/run-{}", self.cgroup, leaf.number)
    }

    /// Starts a run with its standard streams; `None` where its plan has a
    /// terminal. Where the cell does not say in time whether it started, the cell is
    /// given up: a run that is told as not started never runs.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(
        &self,
        plan: RunPlan,
        streams: Option<ChildEnds>,
    ) -> Result<Running, StartError> {
        self.start_kept(plan, streams, None).await
    }

    /// The same of a run that outlives this process.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_kept(
        &self,
        plan: RunPlan,
        streams: Option<ChildEnds>,
        kept: Option<Arc<KeptRun>>,
    ) -> Result<Running, StartError> {
        let run = plan.run;
        let asked = Box::new(Asked::of(&plan));
        let (started, answer) = oneshot::channel();
        let (ended, ending) = oneshot::channel();
        self.lock().runs.insert(run, WaitingRun { started: Some(started), ended, kept });
        let streams = streams.map(|ChildEnds { stdin, stdout, stderr }| [stdin, stdout, stderr]);
        let ways = self.lock_ways().remove(&plan.leaf).unwrap_or_default();
        let given = streams.into_iter().flatten().chain(ways).collect();
        match self.ask(CellRequest::Start(plan), given, answer).await {
            Ok(Ok((given, loopback))) => {
                let mut given = given.into_iter();
                let (process, terminal) = (given.next(), given.next());
                let gone = self.gone.clone();
                Ok(Running { process, terminal, loopback, ended: ending, gone })
            }
            Ok(Err((step, errno))) => Err(StartError::Failed { step, errno, asked }),
            Err(error) => {
                self.lock().runs.remove(&run);
                Err(error)
            }
        }
    }

    /// A listening socket in the cell's network namespace, and its port.
    ///
    /// # Errors
    /// Where the cell makes none.
    pub async fn listen(&self) -> Result<(NonZeroU16, OwnedFd), StartError> {
        let (sender, socket) = oneshot::channel();
        self.lock().sockets.push_back(sender);
        self.ask(CellRequest::Listen, Vec::new(), socket).await
    }

    /// Sends a request and waits for its answer. A cell that takes too long for
    /// either is given up.
    async fn ask<T>(
        &self,
        request: CellRequest,
        descriptors: Vec<OwnedFd>,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, StartError> {
        let asked = async {
            self.post.send(request, descriptors).await?;
            answer.await.map_err(|_| StartError::Vanished)
        };
        let answered = tokio::time::timeout(START_TIME, asked).await;
        let answered = answered.unwrap_or(Err(StartError::Late));
        if answered.as_ref().is_err_and(StartError::leaves_doubt) {
            self.give_up().await;
        }
        answered
    }

    /// Ends a run with its tree: SIGTERM, then SIGKILL. A cell that is gone has
    /// no runs.
    pub fn cancel(&self, run: RunId) {
        self.post.tell(CellRequest::Cancel(run));
    }

    /// Ends a run with its tree, now.
    pub fn kill(&self, run: RunId) {
        self.post.tell(CellRequest::Kill(run));
    }

    /// Sends a run a signal; one that has ended gets none.
    pub fn signal(&self, run: RunId, signal: RunSignal) {
        self.post.tell(CellRequest::Signal(run, signal));
    }

    /// Ends the cell and waits until nothing of it is left.
    pub async fn end(self, warden: &Warden) {
        let Self { id, mut gone, socket, post, kept, held, .. } = self;
        drop((socket, post, kept, held));
        if tokio::time::timeout(VANISH_TIME, gone.wait()).await.is_ok() {
            return;
        }
        tracing::warn!(cell = %id, "the cell did not end by itself; the warden ends it");
        destroy(warden, id, gone).await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Waits for its end. Can be dropped and called again until it ended.
    pub async fn ended(&mut self) -> Next {
        tokio::select! {
            // A cell's last word comes before its end.
            biased;
            ending = &mut self.ended => ending.map_or(Next::Vanished, Next::Ended),
            () = self.gone.wait() => Next::Vanished,
        }
    }
}

/// Has a cell ended, and waits a while until nothing of it is left. The warden that was
/// asked may be one that is not there any more.
async fn destroy(warden: &Warden, id: CellId, mut gone: Gone) {
    for _ in 0..AGAIN {
        if let Err(error) = warden.destroy(id).await {
            tracing::error!(cell = %id, %error, "cannot end the cell");
        } else if tokio::time::timeout(VANISH_TIME, gone.wait()).await.is_ok() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
