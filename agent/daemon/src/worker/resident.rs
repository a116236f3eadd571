//! A file worker that stays: one for each cell that was built for files, started
//! with its first call and ended with its cell.
//!
//! A cell for files has exactly one plan, and so has its worker: a call whose
//! grant comes to another plan has another cell and another worker. The worker is
//! no wider than one that is started for a single call.
//!
//! What it says is a claim of a process that reads what untrusted code wrote:
//! frames are bounded before they are read, decoded strictly, and believed only
//! as the answer to a request that is under way. A worker that breaks any of this
//! is ended, and those who wait are told so; the next call starts another one.
//!
//! The bytes of large files have pipes of their own, which go to the worker beside
//! the request: a slow one holds up no other.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_files::bounds;
use cofferdam_plan::{Leaf, RunId};
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{ResidentRequest, ResidentResponse, WorkerRequest, WorkerResponse};
use prost::Message;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::TIME;
use crate::cap::Capped;
use crate::cell::{Cell, Running, StartError};
use crate::cells::Held;
use crate::fault::{Fault, NoAnswer};
use crate::frames;
use crate::planner::{Berth, Command, plan_run};
use crate::streams::ChildEnds;
use crate::warden::Warden;

/// The argument that makes a worker stay.
const STAY: &[u8] = b"--resident";
/// Requests that wait to be written.
const QUEUE: usize = 64;
/// Bytes of what it says on its standard error that are kept.
const SAID: usize = 500;

/// Where a cell keeps its worker.
#[derive(Debug, Default)]
pub struct Desk(tokio::sync::Mutex<Option<Arc<Resident>>>);

/// A worker that stays.
#[derive(Debug)]
struct Resident {
    requests: mpsc::Sender<Frame>,
    waiting: Arc<Mutex<Waiting>>,
    last: AtomicU64,
    /// Ends with it.
    reading: JoinHandle<()>,
}

/// Who waits for which answer.
#[derive(Debug, Default)]
struct Waiting {
    answers: HashMap<u64, Expected>,
    /// Why no answer comes any more.
    over: Option<String>,
}

/// How often a request is answered.
#[derive(Debug)]
enum Expected {
    Once(oneshot::Sender<Answer>),
    /// When it begins to send, and when it has sent.
    Twice(oneshot::Sender<Answer>, oneshot::Sender<Answer>),
}

/// A request as it is written: its length, itself, and the pipe that goes with it.
#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    pipe: Option<OwnedFd>,
}

/// A request whose bytes have a pipe.
#[derive(Debug)]
pub struct Streaming {
    worker: Arc<Resident>,
    first: Option<oneshot::Receiver<Answer>>,
    last: oneshot::Receiver<Answer>,
}

/// Has the worker of a cell move the bytes of a file through `pipe`, of which it
/// gets this end.
///
/// # Errors
/// Where it cannot be asked.
pub async fn stream(
    warden: &Arc<Warden>,
    cell: &Held,
    program: &Path,
    capped: &Capped,
    operation: Operation,
    pipe: OwnedFd,
) -> Result<Streaming, Fault> {
    let sends = matches!(operation, Operation::Send(_));
    let request = WorkerRequest {
        workspace: capped.workspace.as_bytes().to_vec(),
        operation: Some(operation),
    };
    let worker = hire(warden, cell, program, capped).await?;
    let (last, ended) = oneshot::channel();
    let (expected, first) = if sends {
        let (first, begun) = oneshot::channel();
        (Expected::Twice(first, last), Some(begun))
    } else {
        (Expected::Once(last), None)
    };
    let frame = worker.expect(expected, request, Some(pipe))?;
    drop(worker.requests.send(frame).await);
    Ok(Streaming { worker, first, last: ended })
}

impl Streaming {
    /// What it says before the first byte; an error is the last that it says.
    ///
    /// # Errors
    /// Where it says nothing.
    pub async fn begun(&mut self, cell: &Cell) -> Result<Answer, Fault> {
        match self.first.take() {
            Some(first) => self.worker.within(cell, first).await,
            None => Err(NoAnswer("it was asked twice".to_owned()).into()),
        }
    }

    /// What it says after the last byte.
    ///
    /// # Errors
    /// Where it says nothing.
    pub async fn ended(self, cell: &Cell) -> Result<Answer, Fault> {
        let Self { worker, first: _, last } = self;
        worker.within(cell, last).await
    }
}

/// Has the worker of a cell carry out `operation`.
///
/// # Errors
/// Where there is no answer. That it cannot be done is an answer.
pub async fn ask(
    warden: &Arc<Warden>,
    cell: &Held,
    program: &Path,
    capped: &Capped,
    operation: Operation,
) -> Result<Answer, Fault> {
    let repeatable = is_repeatable(&operation);
    let request = WorkerRequest {
        workspace: capped.workspace.as_bytes().to_vec(),
        operation: Some(operation),
    };
    let worker = hire(warden, cell, program, capped).await?;
    match worker.ask(cell, request.clone()).await {
        // It ended, perhaps before it saw the request: one that changes nothing is
        // asked once more.
        Err(_) if repeatable && worker.is_over() => {
            let worker = hire(warden, cell, program, capped).await?;
            worker.ask(cell, request).await
        }
        answered => answered,
    }
}

fn is_repeatable(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Read(_)
            | Operation::ReadFiles(_)
            | Operation::List(_)
            | Operation::Search(_)
            | Operation::Stat(_)
            | Operation::FindProgram(_)
    )
}

/// The cell's worker, or a new one.
async fn hire(
    warden: &Arc<Warden>,
    cell: &Held,
    program: &Path,
    capped: &Capped,
) -> Result<Arc<Resident>, Fault> {
    let mut desk = cell.desk().0.lock().await;
    if let Some(worker) = desk.as_ref().filter(|worker| !worker.is_over()) {
        return Ok(Arc::clone(worker));
    }
    let worker = Arc::new(Resident::start(warden, cell, program, capped).await?);
    *desk = Some(Arc::clone(&worker));
    Ok(worker)
}

impl Resident {
    async fn start(
        warden: &Arc<Warden>,
        cell: &Cell,
        program: &Path,
        capped: &Capped,
    ) -> Result<Self, Fault> {
        let no_answer = |error: io::Error| Fault::from(NoAnswer(error.to_string()));
        let command = Command {
            program: program.as_os_str().as_bytes().to_vec(),
            arguments: vec![STAY.to_vec()],
            working_directory: capped.workspace.clone(),
            environment: Vec::new(),
            stdin: Vec::new(),
            background: false,
            one_shot: false,
            stdin_open: false,
            terminal: None,
        };
        // It lives as long as its cell; each request has its own time.
        let mut capped = capped.clone();
        capped.limits.wall_millis = 0;
        let (child, streams) = pipes().map_err(no_answer)?;
        let leaf = cell.leaf(warden, capped.limits.of_run()).await.map_err(StartError::from)?;
        let run = RunId(uuid::Uuid::new_v4().into_bytes());
        let plan = plan_run(run, &command, &capped, Berth { leaf, ..Berth::default() });
        let running = match cell.start(plan, Some(child)).await {
            Ok(running) => running,
            Err(error) => {
                if let Some(leaf) = leaf {
                    cell.leave(leaf, false).await;
                }
                return Err(error.into());
            }
        };
        tokio::spawn(see_out(running, leaf, Arc::clone(warden)));
        let waiting = Arc::<Mutex<Waiting>>::default();
        let (requests, queue) = mpsc::channel(QUEUE);
        let Streams { stdin, stdout, stderr } = streams;
        tokio::spawn(write(stdin, queue));
        let reading = tokio::spawn(read(stdout, stderr, Arc::clone(&waiting)));
        Ok(Self { requests, waiting, last: AtomicU64::default(), reading })
    }

    fn is_over(&self) -> bool {
        lock(&self.waiting).over.is_some()
    }

    async fn ask(&self, cell: &Cell, request: WorkerRequest) -> Result<Answer, Fault> {
        let (sender, answer) = oneshot::channel();
        let frame = self.expect(Expected::Once(sender), request, None)?;
        // Where it cannot be written, the answer's sender is dropped.
        let asked = async {
            drop(self.requests.send(frame).await);
            answer.await
        };
        self.within(cell, asked).await
    }

    /// Makes the request's frame, and enters who waits for its answers.
    fn expect(
        &self,
        expected: Expected,
        request: WorkerRequest,
        pipe: Option<OwnedFd>,
    ) -> Result<Frame, Fault> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = frame(&ResidentRequest { id, request: Some(request) });
        let mut waiting = lock(&self.waiting);
        if let Some(why) = &waiting.over {
            return Err(NoAnswer(why.clone()).into());
        }
        waiting.answers.insert(id, expected);
        Ok(Frame { bytes, pipe })
    }

    /// Waits no longer than an answer may take.
    async fn within(
        &self,
        cell: &Cell,
        answer: impl Future<Output = Result<Answer, oneshot::error::RecvError>>,
    ) -> Result<Answer, Fault> {
        match tokio::time::timeout(TIME * 2, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => {
                let why = lock(&self.waiting).over.clone();
                Err(NoAnswer(why.unwrap_or_else(|| "it ended".to_owned())).into())
            }
            Err(_) => {
                let why = "it did not answer in time";
                end(&self.waiting, why);
                // The worker is all that the cell is there for.
                cell.give_up().await;
                Err(NoAnswer(why.to_owned()).into())
            }
        }
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// The agent's ends of a worker's streams.
struct Streams {
    stdin: UnixStream,
    stdout: Receiver,
    stderr: Receiver,
}

fn pipes() -> io::Result<(ChildEnds, Streams)> {
    // A socket, because descriptors go over it.
    let (stdin, requests) = std::os::unix::net::UnixStream::pair()?;
    requests.set_nonblocking(true)?;
    let (answers, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (said, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    let streams = Streams {
        stdin: UnixStream::from_std(requests)?,
        stdout: Receiver::from_owned_fd(answers)?,
        stderr: Receiver::from_owned_fd(said)?,
    };
    Ok((ChildEnds { stdin: stdin.into(), stdout, stderr }, streams))
}

/// A request as it is written: its length, and itself.
fn frame(request: &ResidentRequest) -> Vec<u8> {
    let length = u32::try_from(request.encoded_len()).unwrap_or(u32::MAX);
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend(request.encode_to_vec());
    frame
}

/// Waits for its end and removes its cgroup.
async fn see_out(mut running: Running, leaf: Option<Leaf>, warden: Arc<Warden>) {
    _ = running.ended().await;
    if let Some(leaf) = leaf {
        // What does not end goes with its cell.
        if matches!(warden.end_leaf(leaf).await, Ok(false)) {
            drop(warden.destroy(leaf.cell).await);
        }
    }
}

/// Writes whole requests, one after the other. The socket closes with the queue.
async fn write(stdin: UnixStream, mut queue: mpsc::Receiver<Frame>) {
    while let Some(Frame { bytes, pipe }) = queue.recv().await {
        let pipes: Vec<_> = pipe.iter().map(AsFd::as_fd).collect();
        if frames::send_bytes(&stdin, &bytes, &pipes).await.is_err() {
            // Whoever waits is told by the one who reads.
            return;
        }
    }
}

/// Reads answers until there are no more, or one is not right.
async fn read(stdout: Receiver, mut stderr: Receiver, waiting: Arc<Mutex<Waiting>>) {
    // A small answer and its length are read in one go.
    let mut stdout = BufReader::new(stdout);
    let said = Arc::<Mutex<Vec<u8>>>::default();
    let listening = tokio::spawn({
        let said = Arc::clone(&said);
        async move {
            let mut buffer = [0; 512];
            while let Ok(1..) = stderr.read(&mut buffer).await.inspect(|&read| {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                let room = SAID.saturating_sub(said.len());
                said.extend_from_slice(&buffer[..read.min(room)]);
            }) {}
        }
    });
    let why = loop {
        if let Err(why) = take(&mut stdout, &waiting).await {
            break why;
        }
    };
    listening.abort();
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    end(&waiting, &if said.is_empty() { why } else { format!("{why}: {said}") });
}

/// Takes one answer to whoever waits for it.
async fn take(stdout: &mut BufReader<Receiver>, waiting: &Mutex<Waiting>) -> Result<(), String> {
    let ended = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ended".to_owned(),
        _ => format!("its answers cannot be read: {error}"),
    };
    let length = stdout.read_u32_le().await.map_err(ended)?;
    if u64::from(length) > bounds::RESPONSE {
        return Err(format!("it announced an answer of {length} bytes"));
    }
    let mut body = vec![0; length as usize];
    stdout.read_exact(&mut body).await.map_err(ended)?;
    let answer = ResidentResponse::decode(body.as_slice());
    let Ok(ResidentResponse { id, response: Some(WorkerResponse { result: Some(answer) }) }) =
        answer
    else {
        return Err("its answer means nothing".to_owned());
    };
    let mut waiting = lock(waiting);
    let sender = match (waiting.answers.remove(&id), &answer) {
        (None, _) => return Err("it answered what nobody asked".to_owned()),
        (Some(Expected::Once(_)), Answer::Opened(_)) => {
            return Err("it began to send what is not to be sent".to_owned());
        }
        (Some(Expected::Twice(first, last)), Answer::Opened(_)) => {
            waiting.answers.insert(id, Expected::Once(last));
            first
        }
        (Some(Expected::Once(sender) | Expected::Twice(sender, _)), _) => sender,
    };
    drop(waiting);
    // Whoever asked may have gone.
    drop(sender.send(answer));
    Ok(())
}

/// No answer comes any more: whoever waits is told by the drop.
fn end(waiting: &Mutex<Waiting>, why: &str) {
    let mut waiting = lock(waiting);
    waiting.over.get_or_insert_with(|| why.to_owned());
    waiting.answers.clear();
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
