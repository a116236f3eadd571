//! What a host is asked about runs that were started before: what they are, which
//! there are, what they printed. None of it makes the host act, so it takes no
//! signed intent; what makes it act is at the end, and does.

use std::time::Duration;

use cofferdam_proto::exec::v1::{
    AttachRunRequest, CloseSessionRequest, CloseSessionResponse, DescribeRunRequest, Finished,
    KeepRunRequest, ListRunsRequest, ListRunsResponse, ResizeRunRequest, ResizeRunResponse,
    RunInput, RunInputTaken, RunOwner, RunResized, RunSignal, RunSignalled, RunSize, RunState,
    RunSummary, SessionClosed, SessionClosing, SignalRunRequest, SignalRunResponse,
    WriteRunRequest, WriteRunResponse, run_event::Event,
};
use cofferdam_proto::intent::v1::{SignedIntent, SignedReceipt};
use tokio_stream::StreamExt;
use tonic::{Response, Status};

use super::question::Question;
use super::run::Events;
use super::{Host, HostError};
use crate::record::Looked;

/// The longest that a host may take to say what it knows.
const PATIENCE: Duration = Duration::from_secs(10);

/// An offset that no stream gets to: such a stream is skipped.
pub(crate) const SKIP: u64 = u64::MAX;

impl Host {
    /// What the host knows of a run; none: it has no such run, or not any more.
    pub(crate) async fn describe_run(&self, run_id: &str) -> Result<Option<RunSummary>, HostError> {
        let request = DescribeRunRequest { run_id: run_id.to_owned() };
        let asked = async { self.runs().describe_run(request).await };
        match self.soon(asked).await {
            Ok(response) => Ok(response.run),
            Err(HostError::Refused(refused)) if refused.reason == "RUN_UNKNOWN" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The runs of `owner`, or of one session of theirs; the size of a page, and which.
    pub(crate) async fn list_runs(
        &self,
        _looked: &Looked,
        owner: RunOwner,
        session: Option<String>,
        (page_size, page_token): (u32, String),
    ) -> Result<ListRunsResponse, HostError> {
        let request = ListRunsRequest { page_size, page_token, owner: Some(owner), session };
        self.soon(async { self.runs().list_runs(request).await }).await
    }

    /// What a run prints from these offsets on, of standard output and error.
    pub(crate) async fn watch(
        &self,
        _looked: &Looked,
        run_id: &str,
        offsets: [u64; 2],
    ) -> Result<Events, HostError> {
        self.soon(self.attached(run_id, offsets, false)).await
    }

    /// The same for who comes back at once for more: the host holds their place.
    pub(crate) async fn watch_on(
        &self,
        _looked: &Looked,
        run_id: &str,
        offsets: [u64; 2],
    ) -> Result<Events, HostError> {
        self.soon(self.attached(run_id, offsets, true)).await
    }

    /// Leaves a run to itself; with `hold` not without a place for its first reader.
    /// False: it has ended already.
    pub(crate) async fn keep(&self, run_id: &str, hold: bool) -> Result<bool, HostError> {
        let request = KeepRunRequest { run_id: run_id.to_owned(), hold };
        let kept = self.soon(async { self.runs().keep_run(request).await }).await?;
        Ok(kept.state() != RunState::Ended)
    }

    /// Waits for the end of a run without its output. None: the connection broke, or
    /// the host says that it goes on.
    pub(crate) async fn end_of(&self, run_id: &str) -> Result<Option<Finished>, HostError> {
        let mut events = self.soon(self.attached(run_id, [SKIP, SKIP], false)).await?;
        while let Some(Ok(event)) = events.next().await {
            if let Some(Event::Finished(finished)) = event.and_then(|event| event.event) {
                return Ok(Some(finished));
            }
        }
        Ok(None)
    }

    async fn attached(
        &self,
        run_id: &str,
        [stdout_offset, stderr_offset]: [u64; 2],
        hold: bool,
    ) -> Result<Response<Events>, Status> {
        let run_id = run_id.to_owned();
        let request = AttachRunRequest { run_id, stdout_offset, stderr_offset, hold };
        let stream = self.runs().attach_run(request).await?.into_inner();
        let events = stream.map(|item| item.map(|response| response.event));
        Ok(Response::new(Box::pin(events)))
    }

    async fn soon<T>(
        &self,
        asked: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, HostError> {
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(HostError::from_status(self.name(), &status)),
            Err(_) => {
                let (host, seconds) = (self.name().to_owned(), PATIENCE.as_secs());
                Err(HostError::Timeout { host, seconds })
            }
        }
    }
}

impl Question for RunInput {
    type Answer = RunInputTaken;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<RunInputTaken>, Option<SignedReceipt>), Status> {
        let request = WriteRunRequest { intent: Some(intent), input: Some(self) };
        let WriteRunResponse { taken, receipt } =
            host.runs().write_run(request).await.map(Response::into_inner)?;
        Ok((taken, receipt))
    }
}

impl Question for RunSize {
    type Answer = RunResized;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<RunResized>, Option<SignedReceipt>), Status> {
        let request = ResizeRunRequest { intent: Some(intent), size: Some(self) };
        let ResizeRunResponse { resized, receipt } =
            host.runs().resize_run(request).await.map(Response::into_inner)?;
        Ok((resized, receipt))
    }
}

impl Question for SessionClosing {
    type Answer = SessionClosed;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<SessionClosed>, Option<SignedReceipt>), Status> {
        let request = CloseSessionRequest { intent: Some(intent), closing: Some(self) };
        let CloseSessionResponse { closed, receipt } =
            host.runs().close_session(request).await.map(Response::into_inner)?;
        Ok((closed, receipt))
    }
}

impl Question for RunSignal {
    type Answer = RunSignalled;

    async fn send(
        self,
        host: &Host,
        intent: SignedIntent,
    ) -> Result<(Option<RunSignalled>, Option<SignedReceipt>), Status> {
        let request = SignalRunRequest { intent: Some(intent), signal: Some(self) };
        let SignalRunResponse { signalled, receipt } =
            host.runs().signal_run(request).await.map(Response::into_inner)?;
        Ok((signalled, receipt))
    }
}
