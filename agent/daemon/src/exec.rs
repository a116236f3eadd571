//! `cofferdam.exec.v1.ExecService`: runs.

mod follow;

use std::pin::Pin;
use std::sync::Arc;

use cofferdam_plan::RunId;
use cofferdam_proto::exec::v1::exec_service_server::ExecService;
use cofferdam_proto::exec::v1::{
    AttachRunRequest, AttachRunResponse, CancelRunRequest, CancelRunResponse, CloseSessionRequest,
    CloseSessionResponse, DescribeRunRequest, DescribeRunResponse, FindProgramRequest,
    FindProgramResponse, KeepRunRequest, KeepRunResponse, ListRunsRequest, ListRunsResponse,
    ResizeRunRequest, ResizeRunResponse, RunSummary, SignalRunRequest, SignalRunResponse,
    StartRunRequest, StartRunResponse, WriteRunRequest, WriteRunResponse,
};
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{ProgramLookup, worker_request::Operation};
use cofferdam_trust::action_digest;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::fault::{Fault, NoAnswer};
use crate::peers::{Gateway, gateway};
use crate::pipeline::{self, Agent, Followed};
use crate::registry::{Owned, Run};
use crate::spool::HELD;
use crate::validate::{self, InvalidField};

/// Runs of a list, where the request says nothing.
const PAGE: u32 = 100;
/// Runs of a list, at most.
const PAGE_MOST: u32 = 1000;

/// The service.
#[derive(Debug, Clone)]
pub struct Exec(pub Arc<Agent>);

type Events<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ExecService for Exec {
    type StartRunStream = Events<StartRunResponse>;
    type AttachRunStream = Events<AttachRunResponse>;

    async fn start_run(
        &self,
        request: Request<StartRunRequest>,
    ) -> Result<Response<Self::StartRunStream>, Status> {
        let gateway = gateway(&request)?;
        let followed = pipeline::start_run(&self.0, &gateway, request.into_inner()).await;
        let events = follow::events(followed.map_err(Fault::into_status)?);
        let responses = events.map(|event| Ok(StartRunResponse { event: Some(event?) }));
        Ok(Response::new(Box::pin(responses)))
    }

    async fn attach_run(
        &self,
        request: Request<AttachRunRequest>,
    ) -> Result<Response<Self::AttachRunStream>, Status> {
        let gateway = gateway(&request)?;
        let AttachRunRequest { run_id, stdout_offset, stderr_offset, hold } = request.into_inner();
        let run = self.run(&gateway, &run_id)?;
        let mut reader = run.spool().reader([stdout_offset, stderr_offset]);
        if hold {
            reader.hold_its_place(HELD);
        }
        let events = follow::events(Followed { run, reader });
        let responses = events.map(|event| Ok(AttachRunResponse { event: Some(event?) }));
        Ok(Response::new(Box::pin(responses)))
    }

    async fn keep_run(
        &self,
        request: Request<KeepRunRequest>,
    ) -> Result<Response<KeepRunResponse>, Status> {
        let gateway = gateway(&request)?;
        let KeepRunRequest { run_id, hold } = request.into_inner();
        let run = self.run(&gateway, &run_id)?;
        if hold {
            run.spool().hold_a_place(HELD);
        }
        run.keep();
        Ok(Response::new(KeepRunResponse { state: run.summary().state }))
    }

    async fn write_run(
        &self,
        request: Request<WriteRunRequest>,
    ) -> Result<Response<WriteRunResponse>, Status> {
        let gateway = gateway(&request)?;
        let written = pipeline::write_run(&self.0, &gateway, request.into_inner()).await;
        let (taken, receipt) = written.map_err(Fault::into_status)?;
        Ok(Response::new(WriteRunResponse { taken: Some(taken), receipt: Some(receipt) }))
    }

    async fn resize_run(
        &self,
        request: Request<ResizeRunRequest>,
    ) -> Result<Response<ResizeRunResponse>, Status> {
        let gateway = gateway(&request)?;
        let resized = pipeline::resize_run(&self.0, &gateway, request.into_inner()).await;
        let (resized, receipt) = resized.map_err(Fault::into_status)?;
        Ok(Response::new(ResizeRunResponse { resized: Some(resized), receipt: Some(receipt) }))
    }

    async fn signal_run(
        &self,
        request: Request<SignalRunRequest>,
    ) -> Result<Response<SignalRunResponse>, Status> {
        let gateway = gateway(&request)?;
        let signalled = pipeline::signal_run(&self.0, &gateway, request.into_inner()).await;
        let (signalled, receipt) = signalled.map_err(Fault::into_status)?;
        let signalled = Some(signalled);
        Ok(Response::new(SignalRunResponse { signalled, receipt: Some(receipt) }))
    }

    async fn cancel_run(
        &self,
        request: Request<CancelRunRequest>,
    ) -> Result<Response<CancelRunResponse>, Status> {
        let run = self.run(&gateway(&request)?, &request.into_inner().run_id)?;
        run.cancel("caller");
        Ok(Response::new(CancelRunResponse { state: run.summary().state }))
    }

    async fn close_session(
        &self,
        request: Request<CloseSessionRequest>,
    ) -> Result<Response<CloseSessionResponse>, Status> {
        let gateway = gateway(&request)?;
        let closed = pipeline::close_session(&self.0, &gateway, request.into_inner()).await;
        let (closed, receipt) = closed.map_err(Fault::into_status)?;
        Ok(Response::new(CloseSessionResponse { closed: Some(closed), receipt: Some(receipt) }))
    }

    async fn describe_run(
        &self,
        request: Request<DescribeRunRequest>,
    ) -> Result<Response<DescribeRunResponse>, Status> {
        let run = self.run(&gateway(&request)?, &request.into_inner().run_id)?;
        let kept = self.0.registry.kept().as_millis();
        let kept_millis = u64::try_from(kept).unwrap_or(u64::MAX);
        let run = RunSummary { kept_millis, ..run.summary() };
        Ok(Response::new(DescribeRunResponse { run: Some(run) }))
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let gateway = gateway(&request)?.name().to_string();
        let ListRunsRequest { page_size, page_token, owner, session } = request.into_inner();
        let size = match page_size {
            0 => PAGE,
            size if size <= PAGE_MOST => size,
            size => return Err(wrong("page_size", format!("is {size}; at most {PAGE_MOST}"))),
        } as usize;
        let after = match page_token.as_str() {
            "" => None,
            token => match Uuid::parse_str(token) {
                Ok(uuid) => Some(RunId(uuid.into_bytes())),
                Err(_) => return Err(wrong("page_token", "is not one that was given".to_owned())),
            },
        };
        let owner = Owned { by: owner.as_ref(), session: session.as_deref() };
        let runs = self.0.registry.list(&gateway, after, size + 1, owner);
        let more = runs.len() > size;
        let now = |run: &Arc<Run>| run.summary_now(&self.0.counters);
        let runs: Vec<_> =
            tokio::task::block_in_place(|| runs.iter().take(size).map(now).collect());
        let last = runs.last().filter(|_| more).map(|run| run.run_id.clone());
        Ok(Response::new(ListRunsResponse { runs, next_page_token: last.unwrap_or_default() }))
    }

    async fn find_program(
        &self,
        request: Request<FindProgramRequest>,
    ) -> Result<Response<FindProgramResponse>, Status> {
        let gateway = gateway(&request)?;
        let FindProgramRequest { intent, query } = request.into_inner();
        let query = query.unwrap_or_default();
        let digest = action_digest(&query);
        let program = query.program.into_bytes();
        let operation = Operation::FindProgram(ProgramLookup { program, directories: Vec::new() });
        let method = "ExecService.FindProgram";
        let called =
            pipeline::file_call(&self.0, &gateway, method, intent, operation, digest).await;
        let (answer, receipt) = called.map_err(Fault::into_status)?;
        let Answer::Program(found) = answer else {
            return Err(Fault::from(NoAnswer("it answered something else".into())).into_status());
        };
        // A path that is not UTF-8 cannot be a program's name in the request either.
        let path = String::from_utf8_lossy(&found.path).into_owned();
        let executable = found.executable;
        Ok(Response::new(FindProgramResponse { path, executable, receipt: Some(receipt) }))
    }
}

impl Exec {
    /// The run of this id, if this gateway asked for it.
    fn run(&self, gateway: &Gateway, id: &str) -> Result<Arc<Run>, Status> {
        let id = validate::run_id(id).map_err(status)?;
        self.0.registry.get(&gateway.name().to_string(), id).map_err(status)
    }
}

fn wrong(path: &str, problem: String) -> Status {
    status(InvalidField { path: path.to_owned(), problem })
}

fn status(error: impl Into<Fault>) -> Status {
    error.into().into_status()
}
