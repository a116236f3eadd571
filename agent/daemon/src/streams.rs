//! The standard streams of a run. The agent makes them and keeps the far ends,
//! so that no output byte passes through root.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::input::{Input, Sink};
use crate::restart::run::Part;
use crate::spool::{LimitHit, Spool, Stream};

/// Bytes read at once: as many as a pipe holds.
const CHUNK: usize = 64 * 1024;
/// Bytes moved from a terminal at once: fewer than wait between it and the spool.
const TERMINAL_CHUNK: usize = 4096;

thread_local! {
    /// What is read goes into the spool at once, so that no run needs a buffer
    /// of its own.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// The ends that the run gets.
#[derive(Debug)]
pub struct ChildEnds {
    /// Standard input.
    pub stdin: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

/// The ends that the agent keeps.
#[derive(Debug)]
pub struct OwnEnds {
    stdin: Option<Sink>,
    stdout: Source,
    /// A terminal has none.
    stderr: Option<Source>,
}

/// Where output comes from.
#[derive(Debug)]
struct Source {
    end: AsyncFd<OwnedFd>,
    relay: Option<Relay>,
}

/// A pipe by which bytes get from a terminal into a file without this process: both
/// ends, the reading one first.
#[derive(Debug)]
pub struct Relay(pub OwnedFd, pub OwnedFd);

impl Relay {
    /// A new one.
    ///
    /// # Errors
    /// Where descriptors have run out.
    pub fn new() -> io::Result<Self> {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self(out, into))
    }
}

/// Makes the streams of one run. Without input its standard input is
/// /dev/null: programs such as ripgrep read a pipe that is there.
///
/// # Errors
/// Where descriptors have run out. Must be called within a tokio runtime.
pub fn make(has_input: bool) -> io::Result<(ChildEnds, OwnEnds)> {
    let (stdout, child_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, child_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    let (child_stdin, stdin) = if has_input {
        let (child, own) = pipe_with(PipeFlags::CLOEXEC)?;
        (child, Some(Sink::new(own, None)?))
    } else {
        (OpenOptions::new().read(true).open("/dev/null")?.into(), None)
    };
    let child = ChildEnds { stdin: child_stdin, stdout: child_stdout, stderr: child_stderr };
    let (stdout, stderr) = (Source::new(stdout, None)?, Source::new(stderr, None)?);
    Ok((child, OwnEnds { stdin, stdout, stderr: Some(stderr) }))
}

/// The descriptor without blocking, for the runtime.
#[expect(
    deprecated,
    reason = "unsound for what gives away another descriptor than its own; an OwnedFd never does"
)]
pub(crate) fn watched(end: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    fcntl_setfl(&end, fcntl_getfl(&end)? | OFlags::NONBLOCK)?;
    AsyncFd::with_interest(end, Interest::READABLE | Interest::WRITABLE)
}

impl OwnEnds {
    /// What is typed into a terminal and what it shows, with what leads there and back
    /// where both are to outlive this process.
    pub(crate) fn of_terminal(terminal: &OwnedFd, relays: Option<[Relay; 2]>) -> io::Result<Self> {
        let [shown, typed] = relays.map_or([None, None], |relays| relays.map(Some));
        Ok(Self {
            stdin: Some(Sink::new(terminal.try_clone()?, typed)?),
            stdout: Source::new(terminal.try_clone()?, shown)?,
            stderr: None,
        })
    }

    /// What an earlier process had of pipes; a terminal is [another thing](Self::of_terminal).
    pub(crate) fn of_pipes(parts: &mut HashMap<Part, OwnedFd>) -> io::Result<Option<Self>> {
        let (stdout, stderr) = (parts.remove(&Part::Stdout), parts.remove(&Part::Stderr));
        let Some((stdout, stderr)) = stdout.zip(stderr) else { return Ok(None) };
        let stdin = parts.remove(&Part::Stdin).map(|end| Sink::new(end, None)).transpose()?;
        let stderr = Some(Source::new(stderr, None)?);
        Ok(Some(Self { stdin, stdout: Source::new(stdout, None)?, stderr }))
    }

    /// Its descriptors, once more, as the store names them.
    pub(crate) fn parts(&self) -> io::Result<Vec<(Part, OwnedFd)>> {
        let mut parts = vec![(Part::Stdout, self.stdout.end.get_ref().try_clone()?)];
        if let Some(stderr) = &self.stderr {
            parts.push((Part::Stderr, stderr.end.get_ref().try_clone()?));
        }
        if let Some(stdin) = &self.stdin {
            parts.push((Part::Stdin, stdin.descriptor()?));
        }
        Ok(parts)
    }

    /// Feeds the input and moves output into `spool` until both streams end or
    /// the limit is hit.
    ///
    /// # Errors
    /// Where the output limit is hit; the run is then to be ended.
    pub async fn pump(self, input: Vec<u8>, spool: Arc<Spool>) -> Result<(), LimitHit> {
        let Self { stdin, stdout, stderr } = self;
        let feeding = async {
            if let Some(stdin) = stdin {
                // A run that does not read all of its input is no error.
                drop(stdin.write_all(&input).await);
            }
            Ok(())
        };
        tokio::try_join!(
            read(Some(&stdout), Stream::Stdout, &spool),
            read(stderr.as_ref(), Stream::Stderr, &spool),
            feeding,
        )?;
        Ok(())
    }

    /// Feeds what comes to `input` and moves output into `spool` until both
    /// streams end or the limit is hit; calls `fed` once all of the input is given.
    ///
    /// # Errors
    /// Where the output limit is hit; the run is then to be ended.
    pub async fn carry(
        self,
        input: &Input,
        spool: &Spool,
        fed: impl FnOnce(),
    ) -> Result<(), LimitHit> {
        let Self { stdin, stdout, stderr } = self;
        let reading = async {
            tokio::try_join!(
                read(Some(&stdout), Stream::Stdout, spool),
                read(stderr.as_ref(), Stream::Stderr, spool),
            )
        };
        // Feeding goes on while there is something to read, and no longer.
        let feeding = async {
            if let Some(stdin) = stdin {
                input.feed(stdin).await;
                fed();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            read = reading => read.map(drop),
            () = feeding => Ok(()),
        }
    }
}

/// Moves what comes from `source` into the spool until it ends.
async fn read(source: Option<&Source>, stream: Stream, spool: &Spool) -> Result<(), LimitHit> {
    let Some(source) = source else { return Ok(()) };
    let is_kept = spool.is_kept();
    loop {
        spool.ready(stream).await;
        // What an earlier process had on its way comes first.
        if let Some(Relay(out, _)) = source.relay.as_ref().filter(|_| is_kept)
            && let Ok(moved) = spool.take_from(stream, out)
        {
            moved?;
            continue;
        }
        let moved = match source.end.readable().await {
            Ok(mut ready) => ready.try_io(|end| {
                let end = end.get_ref();
                if is_kept {
                    return source.splice_some(end, stream, spool);
                }
                BUFFER.with_borrow_mut(|buffer| move_some(end, stream, spool, buffer))
            }),
            Err(error) => Ok(Err(error)),
        };
        match moved {
            Ok(Ok(Moved::End)) => return Ok(()),
            Ok(Ok(Moved::Some(left))) => spool.push(stream, &left).await?,
            Ok(Ok(Moved::LimitHit(hit))) => return Err(hit),
            Err(_) => {}
            // Nobody has the other end of a terminal open any more.
            Ok(Err(error)) if error.raw_os_error() == Some(libc::EIO) => return Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a run's output cannot be read any more");
                return Ok(());
            }
        }
    }
}

enum Moved {
    /// All but these bytes, for which readers have to make room.
    Some(Vec<u8>),
    LimitHit(LimitHit),
    End,
}

fn move_some(
    pipe: &OwnedFd,
    stream: Stream,
    spool: &Spool,
    buffer: &mut [u8],
) -> io::Result<Moved> {
    let read = rustix::io::read(pipe, &mut *buffer)?;
    if read == 0 {
        return Ok(Moved::End);
    }
    Ok(match spool.push_some(stream, &buffer[..read]) {
        Ok(taken) => Moved::Some(buffer[taken..read].to_vec()),
        Err(hit) => Moved::LimitHit(hit),
    })
}

impl Source {
    fn new(end: OwnedFd, relay: Option<Relay>) -> io::Result<Self> {
        Ok(Self { end: watched(end)?, relay })
    }

    /// Has the kernel move some from the pipe, or from the terminal to its relay.
    fn splice_some(&self, end: &OwnedFd, stream: Stream, spool: &Spool) -> io::Result<Moved> {
        let Some(Relay(_, into)) = &self.relay else {
            return Ok(match spool.take_from(stream, end.as_fd())? {
                Ok(0) => Moved::End,
                Ok(_) => Moved::Some(Vec::new()),
                Err(hit) => Moved::LimitHit(hit),
            });
        };
        match splice(end, None, into, None, TERMINAL_CHUNK, SpliceFlags::NONBLOCK)? {
            0 => Ok(Moved::End),
            _ => Ok(Moved::Some(Vec::new())),
        }
    }
}
