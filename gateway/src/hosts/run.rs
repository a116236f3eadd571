//! Starts a run on a host and follows it to its end.
//!
//! A broken connection does not end a run: the gateway attaches to it again by
//! its id, from the bytes that it has. It never starts it anew, because the host
//! may have forgotten a run that it did. A caller that goes away does end it:
//! the host is told to cancel, and the outcome is still waited for, so that it is
//! recorded. Where a caller waits no longer than a while, the run is left to itself
//! after that, and the caller told where to read on.

mod follower;
mod seen;

use std::pin::Pin;
use std::time::Duration;

use cofferdam_proto::exec::v1::{
    AttachRunRequest, CancelRunRequest, Command, Finished, Layer, Lost, Outcome, RunEvent, Sandbox,
    StartRunRequest, Usage, outcome,
};
use cofferdam_proto::intent::v1::SignedReceipt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::receipt::CheckedReceipt;
use super::refusal::{Fate, fate, reason_of};
use super::{Host, HostError};
use crate::excerpt::Collector;
use crate::record::RecordedIntent;
use follower::{Broken, Follower};
pub(crate) use seen::SeenRun;

/// How long a run may be silent beyond its wall time before it counts as lost.
const GRACE: Duration = Duration::from_secs(30);

/// How long a cancelled run has to end.
const CANCEL_GRACE: Duration = Duration::from_secs(15);

/// How long the gateway tries to reach a run again.
const REATTACH: Duration = Duration::from_secs(20);
const REATTACH_PAUSE: Duration = Duration::from_millis(300);

/// What a caller has to do with a run while it goes on.
pub(crate) struct RunWatch {
    /// Fires when the caller has gone or cancels.
    pub(crate) cancelled: CancellationToken,
    /// The longest that the run may take.
    pub(crate) wall: Duration,
    /// How long the caller waits; then the run is left to itself.
    pub(crate) wait: Duration,
    /// Bytes of output that will be shown.
    pub(crate) budget: usize,
    /// Where the last line of output is told.
    pub(crate) last_line: watch::Sender<String>,
}

/// What a run came to while its caller waited.
pub(crate) enum Course {
    Ended(Box<FollowedRun>),
    GoesOn(Box<RunSoFar>),
}

/// A run that goes on.
pub(crate) struct RunSoFar {
    pub(crate) layers: Vec<Layer>,
    pub(crate) stdout: Collector,
    pub(crate) stderr: Collector,
}

/// A run that ended.
pub(crate) struct FollowedRun {
    pub(crate) outcome: Outcome,
    pub(crate) usage: Usage,
    pub(crate) layers: Vec<Layer>,
    /// What held it and what it met; none where the host does not tell.
    pub(crate) sandbox: Option<Sandbox>,
    pub(crate) stdout: Collector,
    pub(crate) stderr: Collector,
    pub(crate) receipt: CheckedReceipt,
}

/// The stream of a started run and of one that was attached to, as one type.
pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<Option<RunEvent>, Status>> + Send>>;

/// How long a run is followed.
#[derive(Clone, Copy)]
struct Times {
    /// The longest until it counts as lost.
    patience: Duration,
    /// When it is left to itself.
    leave: Instant,
    /// Its first reader is about to come.
    hold: bool,
}

impl Host {
    /// Starts the run that `intent` allows, and follows it to its end, or for as long
    /// as the caller waits.
    pub(crate) async fn run(
        &self,
        intent: &RecordedIntent<Command>,
        watch: RunWatch,
    ) -> Result<Course, HostError> {
        let RunWatch { cancelled, wall, wait, budget, last_line } = watch;
        let mut follower = Follower::new(budget, last_line);
        let leave = Instant::now() + wait;
        let times = Times { patience: wall + GRACE, leave, hold: wait.is_zero() };
        let finished = self.follow(intent, &mut follower, times, &cancelled).await?;
        let Some(finished) = finished else {
            let Follower { layers, stdout, stderr, .. } = follower;
            return Ok(Course::GoesOn(Box::new(RunSoFar { layers, stdout, stderr })));
        };
        let ended = self.conclude(intent, finished, follower)?;
        Ok(Course::Ended(Box::new(ended)))
    }

    /// The stream of a run that was asked for is never dropped before its end:
    /// a cancelled caller has the run cancelled, and what is left still arrives.
    /// None: the run was left to itself.
    async fn follow(
        &self,
        intent: &RecordedIntent<Command>,
        follower: &mut Follower,
        times: Times,
        cancelled: &CancellationToken,
    ) -> Result<Option<Finished>, HostError> {
        let Times { patience, leave, hold } = times;
        let run_id = intent.run_id();
        let mut may_leave = true;
        let mut deadline = Instant::now() + patience;
        let mut must_cancel = true;
        let mut events = match timeout_at(deadline, self.start(intent, hold)).await {
            Ok(Ok(events)) => events,
            Ok(Err(status)) if fate(&status) == Fate::Broken => {
                self.attach(intent, follower).await?
            }
            Ok(Err(status)) => return Err(self.refusal(intent, &status)),
            Err(_) => return Err(self.give_up(run_id, patience).await),
        };
        loop {
            let broken = tokio::select! {
                taken = timeout_at(deadline, follower.take_all(&mut events)) => match taken {
                    Ok(Ok(finished)) => return Ok(Some(finished)),
                    Ok(Err(broken)) => Some(broken),
                    Err(_) => return Err(self.give_up(run_id, patience).await),
                },
                () = cancelled.cancelled(), if must_cancel => {
                    must_cancel = false;
                    may_leave = false;
                    deadline = Instant::now() + CANCEL_GRACE;
                    self.try_cancel(run_id).await;
                    continue;
                }
                () = tokio::time::sleep_until(leave), if may_leave => None,
            };
            let Some(broken) = broken else {
                // What has ended is told in a moment; what cannot be left is waited for.
                may_leave = false;
                match self.keep(run_id, hold).await {
                    Ok(true) => return Ok(None),
                    // Whoever holds a place for another one must not stay in it.
                    Err(_) if hold => events = self.attach(intent, follower).await?,
                    Ok(false) | Err(_) => {}
                }
                continue;
            };
            match broken {
                Broken::Connection => events = self.attach(intent, follower).await?,
                Broken::Refused(status) => return Err(self.refusal(intent, &status)),
            }
        }
    }

    async fn start(&self, intent: &RecordedIntent<Command>, hold: bool) -> Result<Events, Status> {
        let request = StartRunRequest {
            intent: Some(intent.signed().clone()),
            command: Some(intent.action().clone()),
            hold,
        };
        let stream = self.runs().start_run(request).await?.into_inner();
        Ok(Box::pin(stream.map(|item| item.map(|response| response.event))))
    }

    /// Follows a run whose stream broke, from the bytes that there are.
    async fn attach(
        &self,
        intent: &RecordedIntent<Command>,
        follower: &Follower,
    ) -> Result<Events, HostError> {
        let began = Instant::now();
        loop {
            tokio::time::sleep(REATTACH_PAUSE).await;
            let request = AttachRunRequest {
                run_id: intent.run_id().to_owned(),
                stdout_offset: follower.stdout.total(),
                stderr_offset: follower.stderr.total(),
                hold: false,
            };
            match self.runs().attach_run(request).await {
                Ok(stream) => {
                    let stream = stream.into_inner();
                    return Ok(Box::pin(stream.map(|item| item.map(|response| response.event))));
                }
                Err(status) if fate(&status) == Fate::Held => {
                    return Err(HostError::from_status(self.name(), &status));
                }
                Err(status) if fate(&status) != Fate::Answered && began.elapsed() < REATTACH => {}
                Err(status) => {
                    let (host, reason) = (self.name().to_owned(), reason_of(&status));
                    return Err(HostError::Broken { host, reason });
                }
            }
        }
    }

    /// Ends a run with its whole process tree.
    pub(crate) async fn cancel(&self, run_id: &str) -> Result<(), HostError> {
        let request = CancelRunRequest { run_id: run_id.to_owned() };
        match self.runs().cancel_run(request).await {
            Ok(_) => Ok(()),
            Err(status) => Err(HostError::from_status(self.name(), &status)),
        }
    }

    async fn try_cancel(&self, run_id: &str) {
        if let Err(error) = self.cancel(run_id).await {
            tracing::warn!(run_id, %error, "cannot end a run that nobody waits for");
        }
    }

    async fn give_up(&self, run_id: &str, patience: Duration) -> HostError {
        self.try_cancel(run_id).await;
        HostError::Timeout { host: self.name().to_owned(), seconds: patience.as_secs() }
    }

    /// An agent that ended before the run did says that it lost it, and has nothing to
    /// prove. Whatever else a host says needs its receipt.
    pub(crate) fn is_lost(
        &self,
        outcome: &Outcome,
        receipt: Option<&SignedReceipt>,
    ) -> Option<HostError> {
        match (&outcome.ending, receipt) {
            (Some(outcome::Ending::Lost(Lost { reason })), None) => {
                Some(HostError::lost(self.name(), reason))
            }
            _ => None,
        }
    }

    fn conclude(
        &self,
        intent: &RecordedIntent<Command>,
        finished: Finished,
        follower: Follower,
    ) -> Result<FollowedRun, HostError> {
        let Finished { outcome, usage, receipt, sandbox, stdout_bytes: _, stderr_bytes: _ } =
            finished;
        let missing = |missing| HostError::Incomplete { host: self.name().to_owned(), missing };
        let outcome = outcome.ok_or_else(|| missing("an outcome"))?;
        if let Some(lost) = self.is_lost(&outcome, receipt.as_ref()) {
            return Err(lost);
        }
        let Follower { mut layers, stdout, stderr, digests, .. } = follower;
        // What it had at its end counts, where the host tells that.
        if let Some(Sandbox { layers: last, .. }) = &sandbox
            && !last.is_empty()
        {
            layers.clone_from(last);
        }
        let receipt = self.check_receipt(intent, receipt, digests.finish())?;
        let usage = usage.unwrap_or_default();
        self.learn_layers(&layers);
        Ok(FollowedRun { outcome, usage, layers, sandbox, stdout, stderr, receipt })
    }
}
