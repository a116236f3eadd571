//! Serves many requests: frames of a length (four bytes, little-endian) and a
//! message, in and out.
//!
//! Reads are answered one after the other, as they come. What can take its time
//! has a thread of its own, and answers when it is done; requests have numbers,
//! so that answers may overtake each other. Threads are bounded: where all are
//! busy, the next request waits.

use std::io::{self, Read, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::{ResidentRequest, ResidentResponse, WorkerRequest, WorkerResponse};
use prost::Message;

use crate::fault::FileFault;
use crate::{answer, bounds, refused};

/// Threads at a time.
const THREADS: usize = 32;
/// Those that may wait for changes: the others stay for work.
const WATCHING: usize = 16;
/// Bytes of a thread's stack: the deepest tree takes less than a tenth.
const STACK: usize = 1 << 20;

/// What is under way.
#[derive(Debug, Default)]
struct Busy {
    counts: Mutex<(usize, usize)>,
    less: Condvar,
}

/// Serves until the input ends.
pub fn stay(mut input: impl Read, output: impl Write + Send) -> io::Result<()> {
    let (output, busy) = (Mutex::new(output), Busy::default());
    thread::scope(|scope| {
        while let Some(ResidentRequest { id, request }) = next(&mut input)? {
            let request = request.unwrap_or_default();
            if is_quick(&request) {
                reply(&output, id, answer(request))?;
                continue;
            }
            let watches = matches!(request.operation, Some(Operation::Watch(_)));
            if !busy.begin(watches) {
                let message = format!("{WATCHING} calls wait for changes already; try again later");
                reply(&output, id, refused(FileFault::Invalid(message)))?;
                continue;
            }
            let (output, busy) = (&output, &busy);
            let work = move || {
                let response = answer(request);
                busy.end(watches);
                // Where nobody listens, the input ends, too.
                drop(reply(output, id, response));
            };
            thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        }
        Ok(())
    })
}

/// Whether it is done before a thread would have begun.
fn is_quick(request: &WorkerRequest) -> bool {
    matches!(
        request.operation,
        None | Some(
            Operation::Read(_)
                | Operation::ReadFiles(_)
                | Operation::Stat(_)
                | Operation::FindProgram(_)
        )
    )
}

fn next(input: &mut impl Read) -> io::Result<Option<ResidentRequest>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u64::from(u32::from_le_bytes(length));
    if length > bounds::REQUEST {
        return Err(io::Error::other(format!("a request of {length} bytes")));
    }
    let mut body = Vec::new();
    input.take(length).read_to_end(&mut body)?;
    ResidentRequest::decode(body.as_slice()).map(Some).map_err(io::Error::other)
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
    /// Waits for a place; false where too many wait for changes already.
    fn begin(&self, watches: bool) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if watches && counts.1 >= WATCHING {
            return false;
        }
        while counts.0 >= THREADS {
            counts = self.less.wait(counts).unwrap_or_else(PoisonError::into_inner);
        }
        counts.0 += 1;
        counts.1 += usize::from(watches);
        true
    }

    fn end(&self, watched: bool) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.0 -= 1;
        counts.1 -= usize::from(watched);
        self.less.notify_one();
    }
}
