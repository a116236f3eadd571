//! Starts a run on a host and follows it to its end.
//!
//! A broken connection does not end a run: the gateway attaches to it again by
//! its id, from the bytes that it has. A caller that goes away does: the host is
//! told to cancel, and the outcome is still waited for, so that it is recorded.

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use cofferdam_proto::exec::v1::run_event::Event;
use cofferdam_proto::exec::v1::{
    AttachRunRequest, CancelRunRequest, Command, Finished, Gap, Layer, Outcome, Output, RunEvent,
    StartRunRequest, Started, Stream, Usage,
};
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::receipt::CheckedReceipt;
use super::refusal::is_transport;
use super::{Host, HostError};
use crate::excerpt::Collector;
use crate::record::RecordedIntent;

/// How long a run may be silent beyond its wall time before it counts as lost.
const GRACE: Duration = Duration::from_secs(30);

/// How long a cancelled run has to end.
const CANCEL_GRACE: Duration = Duration::from_secs(15);

/// How long the gateway tries to reach a run again.
const REATTACH: Duration = Duration::from_secs(20);
const REATTACH_PAUSE: Duration = Duration::from_millis(300);

/// Characters of the last line that progress shows.
const PROGRESS_LINE: usize = 200;

/// What a caller has to do with a run while it goes on.
pub(crate) struct RunWatch {
    /// Fires when the caller has gone or cancels.
    pub(crate) cancelled: CancellationToken,
    /// The longest that the run may take.
    pub(crate) wall: Duration,
    /// Bytes of output that will be shown.
    pub(crate) budget: usize,
    /// Where the last line of output is told.
    pub(crate) last_line: watch::Sender<String>,
}

/// A run that ended.
pub(crate) struct FollowedRun {
    pub(crate) outcome: Outcome,
    pub(crate) usage: Usage,
    pub(crate) layers: Vec<Layer>,
    pub(crate) stdout: Collector,
    pub(crate) stderr: Collector,
    pub(crate) receipt: CheckedReceipt,
}

/// What has arrived so far.
struct Follower {
    layers: Vec<Layer>,
    stdout: Collector,
    stderr: Collector,
    digests: OutputDigests,
    last_line: watch::Sender<String>,
}

/// The digest that a receipt must have: over the digests of both streams.
struct OutputDigests {
    stdout: Context,
    stderr: Context,
    /// Every byte arrived; else the digest cannot be known here.
    complete: bool,
}

/// The stream of a started run and of one that was attached to, as one type.
type Events =
    std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<Option<RunEvent>, Status>> + Send>>;

impl Host {
    /// Starts the run that `intent` allows, and follows it to its end.
    pub(crate) async fn run(
        &self,
        intent: &RecordedIntent<Command>,
        watch: RunWatch,
    ) -> Result<FollowedRun, HostError> {
        let RunWatch { cancelled, wall, budget, last_line } = watch;
        let mut follower = Follower {
            layers: Vec::new(),
            stdout: Collector::new(budget),
            stderr: Collector::new(budget),
            digests: OutputDigests::default(),
            last_line,
        };
        let finished = self.follow(intent, &mut follower, wall + GRACE, &cancelled).await?;
        self.conclude(intent, finished, follower)
    }

    /// The stream of a run that was asked for is never dropped before its end:
    /// a cancelled caller has the run cancelled, and what is left still arrives.
    async fn follow(
        &self,
        intent: &RecordedIntent<Command>,
        follower: &mut Follower,
        patience: Duration,
        cancelled: &CancellationToken,
    ) -> Result<Finished, HostError> {
        let run_id = intent.run_id();
        let timeout =
            || HostError::Timeout { host: self.name().to_owned(), seconds: patience.as_secs() };
        let mut deadline = tokio::time::Instant::now() + patience;
        let mut must_cancel = true;
        let mut events = tokio::time::timeout_at(deadline, self.start(intent))
            .await
            .map_err(|_| timeout())??;
        loop {
            let broken = tokio::select! {
                taken = tokio::time::timeout_at(deadline, follower.take_all(&mut events)) => {
                    match taken.map_err(|_| timeout())? {
                        Ok(finished) => return Ok(finished),
                        Err(broken) => broken,
                    }
                }
                () = cancelled.cancelled(), if must_cancel => {
                    must_cancel = false;
                    deadline = tokio::time::Instant::now() + CANCEL_GRACE;
                    if let Err(error) = self.cancel(run_id).await {
                        tracing::warn!(run_id, %error, "cannot cancel a run whose caller has gone");
                    }
                    continue;
                }
            };
            match broken {
                Broken::Connection => events = self.attach(run_id, follower).await?,
                Broken::Refused(status) => {
                    return Err(self.refusal(intent, &status));
                }
            }
        }
    }

    async fn start(&self, intent: &RecordedIntent<Command>) -> Result<Events, HostError> {
        let request = StartRunRequest {
            intent: Some(intent.signed().clone()),
            command: Some(intent.action().clone()),
        };
        let stream = self.runs().start_run(request).await;
        let stream = stream.map_err(|status| self.refusal(intent, &status))?;
        Ok(Box::pin(stream.into_inner().map(|item| item.map(|it| it.event))))
    }

    async fn attach(&self, run_id: &str, follower: &Follower) -> Result<Events, HostError> {
        let began = Instant::now();
        loop {
            tokio::time::sleep(REATTACH_PAUSE).await;
            let request = AttachRunRequest {
                run_id: run_id.to_owned(),
                stdout_offset: follower.stdout.total(),
                stderr_offset: follower.stderr.total(),
            };
            match self.runs().attach_run(request).await {
                Ok(stream) => {
                    return Ok(Box::pin(stream.into_inner().map(|item| item.map(|it| it.event))));
                }
                Err(status) if is_transport(&status) && began.elapsed() < REATTACH => {}
                Err(status) => return Err(HostError::from_status(self.name(), &status)),
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

    fn conclude(
        &self,
        intent: &RecordedIntent<Command>,
        finished: Finished,
        follower: Follower,
    ) -> Result<FollowedRun, HostError> {
        let Finished { outcome, usage, receipt, stdout_bytes: _, stderr_bytes: _ } = finished;
        let missing = |missing| HostError::Incomplete { host: self.name().to_owned(), missing };
        let outcome = outcome.ok_or_else(|| missing("an outcome"))?;
        let Follower { layers, stdout, stderr, digests, last_line: _ } = follower;
        let receipt = self.check_receipt(intent, receipt, digests.finish())?;
        let usage = usage.unwrap_or_default();
        Ok(FollowedRun { outcome, usage, layers, stdout, stderr, receipt })
    }
}

/// Why a stream of events stopped before its end.
enum Broken {
    Connection,
    Refused(Status),
}

impl Follower {
    async fn take_all(&mut self, events: &mut Events) -> Result<Finished, Broken> {
        while let Some(event) = events.next().await {
            let event = event.map_err(|status| {
                if is_transport(&status) { Broken::Connection } else { Broken::Refused(status) }
            })?;
            if let Some(finished) = self.take(event) {
                return Ok(finished);
            }
        }
        Err(Broken::Connection)
    }

    fn take(&mut self, event: Option<RunEvent>) -> Option<Finished> {
        match event.and_then(|event| event.event)? {
            Event::Started(Started { run_id: _, started_at: _, layers }) => self.layers = layers,
            Event::Output(output) => self.take_output(&output),
            Event::Gap(Gap { stream, offset, length }) => {
                self.digests.complete = false;
                let collector = self.collector(stream);
                let end = offset.saturating_add(length);
                collector.skip(end.saturating_sub(collector.total()));
            }
            Event::Finished(finished) => return Some(finished),
        }
        None
    }

    fn take_output(&mut self, output: &Output) {
        let Output { stream, offset, data } = output;
        let collector = self.collector(*stream);
        // After attaching again the first bytes may be known already.
        let known = collector.total().saturating_sub(*offset);
        let Some(new) = usize::try_from(known).ok().and_then(|known| data.get(known..)) else {
            return;
        };
        collector.push(new);
        let line = collector.last_line(PROGRESS_LINE);
        self.digests.update(*stream, new);
        if let Some(line) = line {
            self.last_line.send_replace(line);
        }
    }

    fn collector(&mut self, stream: i32) -> &mut Collector {
        match Stream::try_from(stream) {
            Ok(Stream::Stderr) => &mut self.stderr,
            _ => &mut self.stdout,
        }
    }
}

impl Default for OutputDigests {
    fn default() -> Self {
        Self { stdout: Context::new(&SHA256), stderr: Context::new(&SHA256), complete: true }
    }
}

impl OutputDigests {
    fn update(&mut self, stream: i32, bytes: &[u8]) {
        match Stream::try_from(stream) {
            Ok(Stream::Stderr) => self.stderr.update(bytes),
            _ => self.stdout.update(bytes),
        }
    }

    fn finish(self) -> Option<[u8; 32]> {
        let mut both = Context::new(&SHA256);
        both.update(self.stdout.finish().as_ref());
        both.update(self.stderr.finish().as_ref());
        let mut digest = [0; 32];
        digest.copy_from_slice(both.finish().as_ref());
        self.complete.then_some(digest)
    }
}
