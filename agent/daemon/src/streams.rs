//! The standard streams of a run. The agent makes them and keeps the far ends,
//! so that no output byte passes through root.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::spool::{LimitHit, Spool, Stream};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

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
    stderr: Receiver,
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
    Ok((child, OwnEnds { stdin, stdout, stderr }))
}

impl OwnEnds {
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
            read(stdout, Stream::Stdout, &spool),
            read(stderr, Stream::Stderr, &spool),
            feeding,
        )?;
        Ok(())
    }
}

async fn read(mut pipe: Receiver, stream: Stream, spool: &Spool) -> Result<(), LimitHit> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(read) => spool.push(stream, &buffer[..read]).await?,
            Err(error) => {
                tracing::warn!(%error, "a run's output cannot be read any more");
                return Ok(());
            }
        }
    }
}
