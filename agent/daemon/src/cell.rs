//! A cell, owned by its control socket: it lives as long as this end is open.
//!
//! Today a cell serves one call. The three steps stay apart ([`Cell::build`],
//! [`Cell::start`], [`Cell::end`]) so that a session can keep one.
//!
//! What a cell says is a claim of a process that runs beside untrusted code: it
//! is bounded, decoded strictly, and believed only for the run that was started.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use cofferdam_plan::channel::ChannelError;
use cofferdam_plan::{
    BuildStep, CellEvent, CellId, CellPlan, CellRequest, LayerReport, RunEnding, RunId, RunPlan,
    RunStep,
};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::frames;
use crate::streams::ChildEnds;
use crate::warden::{Building, Gone, Warden, WardenError};

/// How long a cell may take to be built; the warden's own limit is shorter.
const BUILD_TIME: Duration = Duration::from_secs(15);
/// How long a run may take to be executed once its cell is ready.
const START_TIME: Duration = Duration::from_secs(15);
/// How long a cell may take to vanish by itself.
const VANISH_TIME: Duration = Duration::from_secs(5);

/// A cell that is built.
#[derive(Debug)]
pub struct Cell {
    id: CellId,
    cgroup: String,
    layers: Vec<LayerReport>,
    control: OwnedWriteHalf,
    events: mpsc::Receiver<CellEvent>,
    gone: Gone,
}

/// Why there is no cell.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The control socket could not be made.
    #[error("cannot make a control socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The warden builds none.
    #[error(transparent)]
    Warden(#[from] WardenError),
    /// A step failed.
    #[error("{detail}")]
    Failed {
        /// Which step.
        step: BuildStep,
        /// errno(3); 0 where none applies.
        errno: i32,
        /// On what, and what to do.
        detail: String,
    },
    /// The builder ended without a word.
    #[error("the cell ended while it was being built")]
    Vanished,
    /// The builder took too long.
    #[error("the cell was not ready in time; is a file system of the workspace hanging?")]
    Late,
}

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A step failed.
    #[error("{}", in_words(*.step, *.errno, .asked))]
    Failed {
        /// Which step.
        step: RunStep,
        /// errno(3); 0 where none applies.
        errno: i32,
        /// What was asked for.
        asked: Box<Asked>,
    },
    /// The plan could not be sent.
    #[error("cannot send the plan to the cell: {0}")]
    Channel(#[from] ChannelError),
    /// The cell ended.
    #[error("the cell ended before the command started")]
    Vanished,
    /// The cell did not answer.
    #[error("the cell did not start the command in time")]
    Late,
}

/// What of a run plan a failure to start may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    program: String,
    search_path: Vec<String>,
    working_directory: String,
}

impl Asked {
    fn of(plan: &RunPlan) -> Self {
        Self {
            program: String::from_utf8_lossy(&plan.program).into_owned(),
            search_path: plan.search_path.iter().map(ToString::to_string).collect(),
            working_directory: plan.working_directory.to_string(),
        }
    }
}

/// For the one who must act: the step, on what, why, what to do.
fn in_words(step: RunStep, errno: i32, asked: &Asked) -> String {
    let Asked { program, search_path, working_directory } = asked;
    let why = std::io::Error::from_raw_os_error(errno);
    match step {
        RunStep::FindProgram => format!(
            "there is no program `{program}` in {}; check_command_exists tells what there is",
            search_path.join(":")
        ),
        RunStep::Execute => format!(
            "cannot execute `{program}`: {why}; it must be a program that exists in the cell's \
             view and that rules, profile and ceiling let the caller execute"
        ),
        RunStep::WorkingDirectory => format!(
            "cannot enter the working directory `{working_directory}`: {why}; it must be a \
             directory of the workspace"
        ),
        RunStep::Plan | RunStep::Fork | RunStep::Limits | RunStep::Streams => {
            format!("cannot start `{program}` (at step {}): {why}", step.name())
        }
    }
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
    pub async fn build(warden: &Warden, plan: CellPlan) -> Result<Self, BuildError> {
        let id = plan.cell;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (reading, control) = UnixStream::from_std(ours)?.into_split();
        let building = warden.build(plan, OwnedFd::from(theirs));
        let built = tokio::time::timeout(BUILD_TIME, building);
        let Building { uid: _, cgroup, gone } = built.await.map_err(|_| BuildError::Late)??;
        let (sender, events) = mpsc::channel(16);
        tokio::spawn(listen(id, reading, sender));
        let mut cell = Self { id, cgroup, layers: Vec::new(), control, events, gone };
        match tokio::time::timeout(BUILD_TIME, cell.events.recv()).await {
            Ok(Some(CellEvent::Ready(layers))) => {
                cell.layers = layers;
                Ok(cell)
            }
            Ok(Some(CellEvent::BuildFailed { step, errno, detail })) => {
                Err(BuildError::Failed { step, errno, detail })
            }
            Ok(Some(_) | None) => Err(BuildError::Vanished),
            Err(_) => Err(BuildError::Late),
        }
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

    /// Starts a run with its standard streams.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(&mut self, plan: RunPlan, streams: ChildEnds) -> Result<(), StartError> {
        let run = plan.run;
        let asked = Box::new(Asked::of(&plan));
        let ChildEnds { stdin, stdout, stderr } = streams;
        let descriptors = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
        self.send(&CellRequest::Start(plan), &descriptors).await?;
        let answer = async {
            loop {
                match self.events.recv().await {
                    Some(CellEvent::Started { run: it }) if it == run => break Ok(()),
                    Some(CellEvent::FailedToStart { run: it, step, errno }) if it == run => {
                        break Err(StartError::Failed { step, errno, asked });
                    }
                    Some(_) => {}
                    None => break Err(StartError::Vanished),
                }
            }
        };
        tokio::time::timeout(START_TIME, answer).await.unwrap_or(Err(StartError::Late))
    }

    /// Waits for the end of `run`. Can be dropped and called again.
    pub async fn ended(&mut self, run: RunId) -> Next {
        loop {
            tokio::select! {
                // A cell's last word comes before its end.
                biased;
                event = self.events.recv() => match event {
                    Some(CellEvent::Ended { run: it, ending }) if it == run => {
                        return Next::Ended(ending);
                    }
                    Some(_) => {}
                    None => return Next::Vanished,
                },
                () = self.gone.wait() => return Next::Vanished,
            }
        }
    }

    /// Ends a run with its tree: SIGTERM, then SIGKILL. A cell that is gone has
    /// no runs.
    pub async fn cancel(&self, run: RunId) {
        self.tell(&CellRequest::Cancel(run)).await;
    }

    /// Ends a run with its tree, now.
    pub async fn kill(&self, run: RunId) {
        self.tell(&CellRequest::Kill(run)).await;
    }

    /// Ends the cell and waits until nothing of it is left.
    pub async fn end(self, warden: &Warden) {
        let Self { id, control, events, mut gone, .. } = self;
        drop(control);
        drop(events);
        if tokio::time::timeout(VANISH_TIME, gone.wait()).await.is_ok() {
            return;
        }
        tracing::warn!(cell = %id, "the cell did not end by itself; the warden ends it");
        match warden.destroy(id).await {
            Ok(()) => drop(tokio::time::timeout(VANISH_TIME, gone.wait()).await),
            Err(error) => tracing::error!(cell = %id, %error, "cannot end the cell"),
        }
    }

    async fn tell(&self, request: &CellRequest) {
        if let Err(error) = self.send(request, &[]).await {
            tracing::debug!(cell = %self.id, %error, "the cell is not there to be told");
        }
    }

    async fn send(
        &self,
        request: &CellRequest,
        descriptors: &[std::os::fd::BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        frames::send(self.control.as_ref(), request, descriptors).await
    }
}

/// Reads what the cell says until it closes its end or breaks the protocol.
async fn listen(
    cell: CellId,
    mut socket: tokio::net::unix::OwnedReadHalf,
    events: mpsc::Sender<CellEvent>,
) {
    loop {
        let event = tokio::select! {
            event = frames::receive(&mut socket) => event,
            // Nobody listens any more; this half must not keep the cell alive.
            () = events.closed() => return,
        };
        match event {
            Ok(event) => drop(events.send(event).await),
            Err(ChannelError::Closed) => return,
            Err(error) => {
                tracing::warn!(%cell, %error, "the cell's control socket is unusable");
                return;
            }
        }
    }
}
