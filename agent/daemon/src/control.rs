//! The local socket by which the host's owner asks the agent what it does and has
//! it end everything.
//!
//! One line each way: a word of [`Request`], and JSON. The socket has mode 0600, and
//! whoever connects must be root or the agent's own user besides. No secret and no
//! output of a run goes over it. It is bound before the agent confines itself; an
//! agent that cannot bind it serves without, and says so.

mod client;

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_plan::CellId;
use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::pipeline::Agent;
use crate::status::About;
use crate::warden::Warden;

pub use client::{AskError, ask};

/// Where packages have it.
pub const SOCKET: &str = "/run/cofferdam-agent/control.sock";
/// The longest request, in bytes.
const MAX_REQUEST: usize = 64;
/// Requests at the same time.
const AT_ONCE: usize = 4;
/// How long somebody may take to ask, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// A pause after the system refused a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What the owner asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// What the agent does.
    Status,
    /// The same in numbers, as text.
    Metrics,
    /// The end of all cells and runs.
    KillAll,
}

/// What was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// Runs that were under way.
    pub runs: usize,
    /// Cells that there were.
    pub cells: usize,
    /// Those that are still there.
    pub left: usize,
}

impl Request {
    /// As it is sent.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Metrics => "metrics",
            Self::KillAll => "kill-all",
        }
    }

    /// What a line asks for; nothing else is a request.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let words = [Self::Status, Self::Metrics, Self::KillAll];
        words.into_iter().find(|request| line == request.word().as_bytes())
    }
}

/// Takes the socket at `path`, in place of one that nobody answers at any more. Must
/// run in the only thread.
///
/// # Errors
/// Where something else is there, somebody answers, or the system refuses.
pub fn bind(path: &Path) -> io::Result<StdListener> {
    match path.symlink_metadata() {
        Ok(there) if there.file_type().is_socket() => {
            if StdStream::connect(path).is_ok() {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "another agent answers there",
                ));
            }
            std::fs::remove_file(path)?;
        }
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = StdListener::bind(path);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers for as long as the agent lives, where it has the socket.
pub async fn serve(listener: Option<StdListener>, agent: Arc<Agent>, about: About) {
    let (Some(listener), about) = (listener, Arc::new(about)) else { return };
    let listener = match UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the local socket cannot be used"),
    };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept at the local socket");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let (agent, about) = (Arc::clone(&agent), Arc::clone(&about));
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &agent, &about).await {
                tracing::warn!(%error, "a question at the local socket is not answered");
            }
            drop(place);
        });
    }
}

async fn answer(mut stream: UnixStream, agent: &Arc<Agent>, about: &About) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    if uid != 0 && uid != geteuid().as_raw() {
        return Err(io::Error::other(format!("uid {uid} is neither root nor the agent's own")));
    }
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let line = tokio::time::timeout(PATIENCE, read_line(&mut stream)).await.map_err(late)??;
    let request =
        Request::parse(&line).ok_or_else(|| io::Error::other("it is no request that exists"))?;
    let mut text = match request {
        Request::Status => serde_json::to_vec(&about.status(agent).await)?,
        Request::Metrics => {
            let text = about.metrics(agent).await.map_err(io::Error::other)?;
            serde_json::to_vec(&text)?
        }
        Request::KillAll => {
            tracing::warn!(uid, "the host's owner ends all cells and runs");
            serde_json::to_vec(&kill_all(agent).await)?
        }
    };
    text.push(b'\n');
    let written = async {
        stream.write_all(&text).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(PATIENCE, written).await.map_err(late)?
}

/// One line, without its end.
async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(MAX_REQUEST);
    let mut bounded = stream.take(MAX_REQUEST as u64);
    while line.last() != Some(&b'\n') {
        if bounded.read_buf(&mut line).await? == 0 {
            return Err(io::Error::other("the request is cut or too long"));
        }
    }
    line.pop();
    Ok(line)
}

/// How long cells may take to be gone.
const BURIAL: Duration = Duration::from_secs(5);
/// How long runs are given to be told apart as cancelled before their cells go.
const NOTICE: Duration = Duration::from_millis(50);
/// How long is waited for cells that are being prepared.
const PREPARED: Duration = Duration::from_secs(1);
const GLANCE: Duration = Duration::from_millis(20);

/// Ends every run and every cell at once, without grace.
async fn kill_all(agent: &Arc<Agent>) -> Killed {
    let runs = agent.registry.under_way();
    for run in &runs {
        run.cancel("host owner");
    }
    tokio::time::sleep(NOTICE).await;
    agent.cells.none_is_coming(PREPARED).await;
    let warden = agent.cells.warden();
    let cells: Vec<CellId> = warden.cells().into_iter().map(|cell| cell.id).collect();
    // In a task of its own: a warden that is away hears of it when it comes, and the owner,
    // who has other means, is answered before that.
    tokio::spawn(destroy(Arc::clone(warden), cells.clone()));
    let left = || warden.cells().iter().filter(|left| cells.contains(&left.id)).count();
    let gone = async {
        while left() > 0 {
            tokio::time::sleep(GLANCE).await;
        }
    };
    // Those that are left are counted.
    drop(tokio::time::timeout(BURIAL, gone).await);
    Killed { runs: runs.len(), cells: cells.len(), left: left() }
}

async fn destroy(warden: Arc<Warden>, cells: Vec<CellId>) {
    for cell in cells {
        if let Err(error) = warden.destroy(cell).await {
            tracing::error!(%cell, %error, "the warden cannot be told to end a cell");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_known_words_are_requests() {
        assert_eq!(Request::parse(b"status"), Some(Request::Status));
        assert_eq!(Request::parse(b"metrics"), Some(Request::Metrics));
        assert_eq!(Request::parse(b"kill-all"), Some(Request::KillAll));
        for line in [&b""[..], b"Status", b"status ", b"kill", b"\xff\xfe", &[0; 64]] {
            assert_eq!(Request::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn the_socket_is_its_users_alone_and_takes_the_place_of_a_dead_one_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let listener = bind(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        drop(bind(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "a file").unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
    }
}
