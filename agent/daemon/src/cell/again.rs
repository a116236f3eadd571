//! A cell that an earlier process built, and the runs that went on in it.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, OnceLock};

use cofferdam_plan::run::LoopbackHold;
use cofferdam_plan::{CellId, CellRequest, RunEnding, RunId};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::listener::{Answer, Listener, Waiting, WaitingRun};
use super::post::Post;
use super::{Building, Cell, Running, StartError};
use crate::restart::cell::KeptCell;
use crate::restart::left::LeftCell;
use crate::restart::log::LogError;
use crate::restart::run::KeptRun;
use crate::restart::store::Store;
use crate::warden::{Warden, WardenError};

/// Leaves that one process numbers, at most, before it comes to the next one's.
const LEAVES: u32 = 1 << 20;

/// Why a cell that was left does not go on.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The socket.
    #[error("its control socket cannot be used: {0}")]
    Socket(#[from] std::io::Error),
    /// Half of a request may be on its way.
    #[error("the agent was killed while it told the cell something")]
    Half,
    /// The warden does not know it.
    #[error("it ended while the agent was away")]
    Gone(#[source] WardenError),
    /// PID 1 does not answer.
    #[error("its PID 1 does not answer: {0}")]
    Silent(#[source] StartError),
}

/// How far a run was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// PID 1 had perhaps not heard of it.
    Asked,
    /// It was executed.
    Started(LoopbackHold),
    /// It has ended.
    Ended(LoopbackHold, RunEnding),
}

/// A run in such a cell.
#[derive(Debug)]
pub struct Again {
    answer: Option<oneshot::Receiver<Answer>>,
    /// As it was started by this process.
    pub running: Running,
}

impl Again {
    /// Waits until PID 1 has heard all that was asked before; `None` where it was
    /// never asked to start this run, or did not.
    pub fn started(&mut self) -> Option<LoopbackHold> {
        match &mut self.answer {
            None => Some(self.running.loopback),
            Some(answer) => match answer.try_recv() {
                Ok(Ok((given, loopback))) => {
                    let mut given = given.into_iter();
                    (self.running.process, self.running.terminal) = (given.next(), given.next());
                    Some(loopback)
                }
                Ok(Err(_)) | Err(_) => None,
            },
        }
    }
}

impl Cell {
    /// Goes on with a cell that was left. What it says of `runs` is heard from now on.
    ///
    /// # Errors
    /// See `AgainError`; the cell is over then.
    pub async fn again(
        warden: &Arc<Warden>,
        store: &Store,
        id: CellId,
        left: LeftCell,
        runs: Vec<(RunId, Phase, Arc<KeptRun>)>,
    ) -> Result<(Self, Vec<(RunId, Again)>), AgainError> {
        let LeftCell { log, words, plan: _, user: _, socket } = left;
        let kept = KeptCell::again(store, id, log, &words);
        let layers = words.layers()?;
        if words.sending == 1 {
            return Err(AgainError::Half);
        }
        let socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UnixStream::from_std(socket)?);
        let adopted = warden.adopt(id).await.map_err(AgainError::Gone)?;
        let Building { uid, cgroup, gone } = adopted;
        let mut waiting = Waiting::default();
        let mut again = Vec::new();
        for (run, phase, kept) in runs {
            let (ended, ending) = oneshot::channel();
            let (started, answer) = oneshot::channel();
            let (loopback, asked) = match phase {
                Phase::Asked => (LoopbackHold::Full, true),
                Phase::Started(loopback) | Phase::Ended(loopback, _) => (loopback, false),
            };
            if let Phase::Ended(_, how) = phase {
                // Just made: somebody receives it.
                _ = ended.send(how);
            } else {
                let started = asked.then_some(started);
                waiting.runs.insert(run, WaitingRun { started, ended, kept: Some(kept) });
            }
            let gone = gone.clone();
            let (process, terminal) = (None, None);
            let running = Running { process, terminal, loopback, ended: ending, gone };
            again.push((run, Again { answer: asked.then_some(answer), running }));
        }
        let waiting = Arc::new(Mutex::new(waiting));
        let (held, dropped) = oneshot::channel();
        let listener = Listener { id, socket: Arc::clone(&socket), waiting: Arc::clone(&waiting) };
        tokio::spawn(listener.listen(dropped));
        let kept = Arc::new(OnceLock::from(kept));
        let post = Post::open(Arc::clone(&socket), Arc::downgrade(&kept));
        let generation = words.generation.saturating_add(1);
        let cell = Self {
            id,
            uid,
            cgroup,
            layers,
            socket,
            post,
            kept,
            waiting,
            // Numbers that nobody before this process gave.
            last_leaf: AtomicU32::new(generation.saturating_mul(LEAVES)),
            ways: Mutex::default(),
            left: Mutex::default(),
            gone,
            given_up: AtomicBool::default(),
            warden: Arc::clone(warden),
            held,
        };
        cell.check().await.map_err(AgainError::Silent)?;
        Ok((cell, again))
    }

    /// Waits until PID 1 has heard all requests before this one.
    async fn check(&self) -> Result<(), StartError> {
        let (sender, heard) = oneshot::channel();
        self.lock().checks.push_back(sender);
        self.ask(CellRequest::Check, Vec::<OwnedFd>::new(), heard).await
    }
}
