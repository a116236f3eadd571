//! The standard streams of a run. The agent makes them and keeps the far ends,
//! so that no output byte passes through root.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::input::Input;
use crate::spool::{LimitHit, Spool, Stream};

/// Bytes read at once: as many as a pipe holds.
const CHUNK: usize = 64 * 1024;

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
    stdin: Option<Sender>,
    stdout: Receiver,
    /// A terminal has none.
    stderr: Option<Receiver>,
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
        (child, Some(Sender::from_owned_fd(own)?))
    } else {
        (OpenOptions::new().read(true).open("/dev/null")?.into(), None)
    };
    let child = ChildEnds { stdin: child_stdin, stdout: child_stdout, stderr: child_stderr };
    let stdout = Receiver::from_owned_fd(stdout)?;
    let stderr = Receiver::from_owned_fd(stderr)?;
    Ok((child, OwnEnds { stdin, stdout, stderr: Some(stderr) }))
}

impl OwnEnds {
    /// What is typed into a terminal and what it shows. `terminal` must not block.
    pub(crate) fn of_terminal(terminal: &OwnedFd) -> io::Result<Self> {
        Ok(Self {
            stdin: Some(Sender::from_owned_fd_unchecked(terminal.try_clone()?)?),
            stdout: Receiver::from_owned_fd_unchecked(terminal.try_clone()?)?,
            stderr: None,
        })
    }

    /// Feeds the input and moves output into `spool` until both streams end or
    /// the limit is hit.
    ///
    /// # Errors
    /// Where the output limit is hit; the run is then to be ended.
    pub async fn pump(self, input: Vec<u8>, spool: Arc<Spool>) -> Result<(), LimitHit> {
        let Self { stdin, stdout, stderr } = self;
        let feeding = async {
            if let Some(mut stdin) = stdin {
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
    /// streams end or the limit is hit.
    ///
    /// # Errors
    /// Where the output limit is hit; the run is then to be ended.
    pub async fn carry(self, input: &Input, spool: &Spool) -> Result<(), LimitHit> {
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
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            read = reading => read.map(drop),
            () = feeding => Ok(()),
        }
    }
}

/// Moves what comes from `pipe` into the spool until it ends.
async fn read(pipe: Option<&Receiver>, stream: Stream, spool: &Spool) -> Result<(), LimitHit> {
    let Some(pipe) = pipe else { return Ok(()) };
    loop {
        spool.ready(stream).await;
        let moved = match pipe.readable().await {
            Ok(()) => BUFFER.with_borrow_mut(|buffer| move_some(pipe, stream, spool, buffer)),
            Err(error) => Err(error),
        };
        match moved {
            Ok(Moved::End) => return Ok(()),
            Ok(Moved::Some(left)) => spool.push(stream, &left).await?,
            Ok(Moved::LimitHit(hit)) => return Err(hit),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Nobody has the other end of a terminal open any more.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => return Ok(()),
            Err(error) => {
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
    pipe: &Receiver,
    stream: Stream,
    spool: &Spool,
    buffer: &mut [u8],
) -> io::Result<Moved> {
    let read = pipe.try_read(buffer)?;
    if read == 0 {
        return Ok(Moved::End);
    }
    Ok(match spool.push_some(stream, &buffer[..read]) {
        Ok(taken) => Moved::Some(buffer[taken..read].to_vec()),
        Err(hit) => Moved::LimitHit(hit),
    })
}
