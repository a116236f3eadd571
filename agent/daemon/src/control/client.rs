//! The owner's end of the local socket: used by commands in processes of their own,
//! never by the agent that serves.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, geteuid};
use serde::de::DeserializeOwned;

use super::Request;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 4 << 20;

/// Why the agent gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no agent answers at `{path}`: {source}; it does not run, or without this socket")]
    Absent {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else listens.
    #[error("uid {uid} listens at `{path}`, which is neither root nor the agent's user")]
    Stranger {
        /// Where.
        path: PathBuf,
        /// Who.
        uid: u32,
    },
    /// An agent is there and does not answer.
    #[error("the agent (process {}) does not answer: {source}", .pid.as_raw_nonzero())]
    Stuck {
        /// Its process.
        pid: Pid,
        /// How that showed.
        source: io::Error,
    },
}

/// Asks the agent at `path`, and waits for `patience` at most.
///
/// # Errors
/// See [`AskError`].
pub fn ask<T: DeserializeOwned>(
    path: &Path,
    request: Request,
    patience: Duration,
) -> Result<T, AskError> {
    let absent = |source| AskError::Absent { path: path.to_owned(), source };
    let mut stream = UnixStream::connect(path).map_err(absent)?;
    let peer = socket_peercred(&stream).map_err(|errno| absent(errno.into()))?;
    let uid = peer.uid.as_raw();
    if uid != 0 && uid != geteuid().as_raw() {
        return Err(AskError::Stranger { path: path.to_owned(), uid });
    }
    let answer = exchange(&mut stream, request, Instant::now() + patience);
    let answer = answer.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    answer.map_err(|source| AskError::Stuck { pid: peer.pid, source })
}

fn exchange(stream: &mut UnixStream, request: Request, until: Instant) -> io::Result<Vec<u8>> {
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(format!("{}\n", request.word()).as_bytes())?;
    let (mut answer, mut part) = (Vec::new(), [0; 16 << 10]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part) {
            Ok(0) => return Ok(answer),
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > MAX_ANSWER {
            return Err(io::Error::other("its answer is too long"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::control::Killed;

    fn asked(answer: &'static [u8]) -> Result<Killed, AskError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let agent = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 9]).unwrap();
            stream.write_all(answer).unwrap();
        });
        let killed = ask(&path, Request::KillAll, Duration::from_secs(5));
        agent.join().unwrap();
        killed
    }

    #[test]
    fn an_answer_is_read_to_its_end_and_nonsense_is_no_answer() {
        let killed = asked(b"{\"runs\":1,\"cells\":2,\"left\":0}\n").unwrap();
        assert_eq!(killed, Killed { runs: 1, cells: 2, left: 0 });
        for nonsense in [&b""[..], b"{", b"\xff", b"{\"runs\":-1}"] {
            assert!(matches!(asked(nonsense), Err(AskError::Stuck { .. })), "{nonsense:?}");
        }
    }

    #[test]
    fn an_agent_that_says_nothing_is_stuck_and_none_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let ask = || ask::<Killed>(&path, Request::KillAll, Duration::from_millis(100));
        assert!(matches!(ask(), Err(AskError::Absent { .. })));
        let _listener = UnixListener::bind(&path).unwrap();
        let Err(AskError::Stuck { pid, source }) = ask() else { panic!("it answered") };
        assert_eq!(source.kind(), io::ErrorKind::TimedOut);
        assert_eq!(pid, rustix::process::getpid());
    }
}
