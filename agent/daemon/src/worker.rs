//! The file worker: one operation, in a cell that is there.
//!
//! The worker runs beside whatever lies in the workspace; its answer is bounded
//! and decoded strictly.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_files::bounds;
use cofferdam_plan::RunId;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{WorkerRequest, WorkerResponse};
use prost::Message;

use crate::cap::{Capped, CappedLimits};
use crate::cell::{Cell, Next, StartError};
use crate::fault::{Fault, NoAnswer};
use crate::planner::{Berth, Command, plan_run};
use crate::spool::{Spool, Stream};
use crate::streams;
use crate::warden::Warden;

pub mod resident;

/// How long the worker may take; its own bound on walks is shorter.
const TIME: Duration = Duration::from_mins(1);
/// What the worker may use of memory, at most.
const MEMORY: u64 = 512 << 20;

/// Narrows what a command may use to what the worker may.
pub fn narrow(limits: &mut CappedLimits) {
    limits.memory_bytes = limits.memory_bytes.min(MEMORY);
    limits.wall_millis = u64::try_from(TIME.as_millis()).unwrap_or(limits.wall_millis);
    limits.output_bytes = bounds::RESPONSE;
}

/// Has the worker `program` carry out `operation` as the run `run`.
///
/// # Errors
/// Where there is no answer. That it cannot be done is an answer.
pub async fn ask(
    warden: &Warden,
    cell: &Cell,
    program: &Path,
    run: RunId,
    capped: &Capped,
    operation: Operation,
) -> Result<Answer, Fault> {
    let no_answer = |why: String| Fault::from(NoAnswer(why));
    let command = Command {
        program: program.as_os_str().as_bytes().to_vec(),
        arguments: Vec::new(),
        working_directory: capped.workspace.clone(),
        environment: Vec::new(),
        stdin: Vec::new(),
        background: false,
        one_shot: false,
        stdin_open: false,
        terminal: None,
    };
    let workspace = capped.workspace.as_bytes().to_vec();
    let request = WorkerRequest { workspace, operation: Some(operation) }.encode_to_vec();
    let (child, own) = streams::make(true).map_err(|error| no_answer(error.to_string()))?;
    let leaf = cell.leaf(warden, capped.limits.of_run()).await.map_err(StartError::from)?;
    let plan = plan_run(run, &command, capped, Berth { leaf, ..Berth::default() });
    let mut running = match cell.start(plan, Some(child)).await {
        Ok(running) => running,
        Err(error) => {
            if let Some(leaf) = leaf {
                cell.leave(leaf, false).await;
            }
            return Err(error.into());
        }
    };
    let capacity = usize::try_from(bounds::RESPONSE).unwrap_or(usize::MAX);
    let spool = Arc::new(Spool::new(capacity, bounds::RESPONSE + 1));
    let mut pump = tokio::spawn(own.pump(request, Arc::clone(&spool)));
    let ended = tokio::time::timeout(TIME * 2, running.ended()).await;
    if ended.is_err() {
        cell.give_up().await;
    }
    if let Some(leaf) = leaf {
        cell.leave(leaf, false).await;
    }
    // What the worker wrote is in the pipe by now.
    if tokio::time::timeout(Duration::from_secs(1), &mut pump).await.is_err() {
        pump.abort();
    }
    let output = spool.contents(Stream::Stdout);
    if output.len() as u64 <= bounds::RESPONSE
        && let Ok(WorkerResponse { result: Some(answer) }) =
            WorkerResponse::decode(output.as_slice())
    {
        return Ok(answer);
    }
    Err(no_answer(match ended {
        Err(_) => "it did not end in time".to_owned(),
        Ok(Next::Vanished) => "its cell ended".to_owned(),
        Ok(Next::Ended(ending)) if ending.timed_out => "it took longer than 60 s".to_owned(),
        Ok(Next::Ended(ending)) => {
            let said = spool.contents(Stream::Stderr);
            let said = String::from_utf8_lossy(&said[..said.len().min(500)]).into_owned();
            format!("it ended with status {}: {}", ending.wait_status, said.trim())
        }
    }))
}
