//! Serves many requests: frames of a length (four bytes, little-endian) and a
//! message, in and out.
//!
//! Reads are answered one after the other, as they come. What can take its time
//! has a thread of its own, and answers when it is done; requests have numbers,
//! so that answers may overtake each other. Threads are bounded: where all are
//! busy, the next request waits.
//!
//! The bytes of a large file have a pipe of their own, which comes with the
//! request: whoever is slow at its other end holds up this one request.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::worker_response::Result as Answer;
use cofferdam_proto::file::v1::{ResidentRequest, ResidentResponse, WorkerRequest, WorkerResponse};
use prost::Message;

use crate::fault::FileFault;
use crate::receive::{Kept, receive};
use crate::requests::Requests;
use crate::send::send;
use crate::{answer, bounds, refused, workspace_of};

/// Threads at a time.
const THREADS: usize = 32;
/// Those that may wait for changes: the others stay for work.
const WATCHING: usize = 16;
/// Those that may move large files.
const STREAMING: usize = 8;
/// Bytes of a thread's stack: the deepest tree takes less than a tenth.
const STACK: usize = 1 << 20;
/// How often it is looked for what was kept for too long.
const SWEEP: Duration = Duration::from_secs(30);

/// What a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is done before a thread would have begun.
    Quick,
    Work,
    Watch,
    Stream,
}

/// What is under way.
#[derive(Debug, Default)]
struct Busy {
    counts: Mutex<Counts>,
    less: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    watching: usize,
    streaming: usize,
}

/// Serves until the input ends.
pub fn stay(input: impl AsFd, output: impl Write + Send) -> io::Result<()> {
    let (output, busy, kept) = (Mutex::new(output), Busy::default(), Kept::default());
    let mut requests = Requests::of(input.as_fd());
    thread::scope(|scope| {
        while let Some(next) = requests.next(SWEEP, || kept.expire())? {
            let ResidentRequest { id, request } = next;
            let request = request.unwrap_or_default();
            let kind = Kind::of(&request);
            if kind == Kind::Quick {
                reply(&output, id, answer(request))?;
                continue;
            }
            let pipe = if kind == Kind::Stream { requests.descriptor() } else { None };
            if let Err(too_many) = busy.begin(kind) {
                reply(&output, id, refused(FileFault::Invalid(too_many)))?;
                continue;
            }
            let (output, busy, kept) = (&output, &busy, &kept);
            let work = move || {
                let response = match pipe {
                    Some(pipe) => stream(request, pipe, kept, |said| reply(output, id, said)),
                    None => answer(request),
                };
                busy.end(kind);
                // Where nobody listens, the input ends, too.
                drop(reply(output, id, response));
            };
            thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        }
        Ok(())
    })
}

/// Moves a large file through `pipe`.
fn stream(
    request: WorkerRequest,
    pipe: OwnedFd,
    kept: &Kept,
    say: impl FnOnce(WorkerResponse) -> io::Result<()>,
) -> WorkerResponse {
    let WorkerRequest { workspace, operation } = request;
    let say = |answer| say(WorkerResponse { result: Some(answer) });
    let done = workspace_of(workspace).and_then(|workspace| match operation {
        Some(Operation::Send(it)) => send(&workspace, it, pipe, say).map(Answer::Sent),
        Some(Operation::Receive(it)) => receive(&workspace, it, pipe, kept),
        _ => Err(FileFault::Invalid("the request needs no pipe".to_owned())),
    });
    done.map_or_else(refused, |answer| WorkerResponse { result: Some(answer) })
}

impl Kind {
    fn of(request: &WorkerRequest) -> Self {
        match request.operation {
            None
            | Some(
                Operation::Read(_)
                | Operation::ReadFiles(_)
                | Operation::Stat(_)
                | Operation::FindProgram(_),
            ) => Self::Quick,
            Some(Operation::Watch(_)) => Self::Watch,
            Some(Operation::Send(_) | Operation::Receive(_)) => Self::Stream,
            Some(_) => Self::Work,
        }
    }
}

fn reply(output: &Mutex<impl Write>, id: u64, response: WorkerResponse) -> io::Result<()> {
    let mut response = ResidentResponse { id, response: Some(response) };
    if response.encoded_len() as u64 > bounds::RESPONSE {
        let message = "the answer is too long; ask for less at a time".to_owned();
        response.response = Some(refused(FileFault::Invalid(message)));
    }
    let length = u32::try_from(response.encoded_len()).map_err(io::Error::other)?;
    let mut frame = length.to_le_bytes().to_vec();
    response.encode(&mut frame).map_err(io::Error::other)?;
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    output.write_all(&frame)?;
    output.flush()
}

impl Busy {
    /// Waits for a place; says so where too many are at the same already.
    fn begin(&self, kind: Kind) -> Result<(), String> {
        let mut counts = self.lock();
        if kind == Kind::Watch && counts.watching >= WATCHING {
            return Err(format!("{WATCHING} calls wait for changes already; try again later"));
        }
        if kind == Kind::Stream && counts.streaming >= STREAMING {
            return Err(format!(
                "{STREAMING} large files are sent or received already; wait for one to end"
            ));
        }
        while counts.all >= THREADS {
            counts = self.less.wait(counts).unwrap_or_else(PoisonError::into_inner);
        }
        counts.all += 1;
        counts.watching += usize::from(kind == Kind::Watch);
        counts.streaming += usize::from(kind == Kind::Stream);
        Ok(())
    }

    fn end(&self, kind: Kind) {
        let mut counts = self.lock();
        counts.all -= 1;
        counts.watching -= usize::from(kind == Kind::Watch);
        counts.streaming -= usize::from(kind == Kind::Stream);
        self.less.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
