//! Plain HTTP: one request to its target, one answer back.
//!
//! Both connections end with the answer. A second request on the run's
//! connection would have to be found behind the first one's body; a run's
//! client opens another connection instead, which costs nothing on loopback.

use std::io;
use std::time::Duration;

use cofferdam_proxy_protocol::{Refusal, RefusalKind, Speech, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::account::{Account, Direction};
use crate::client::Failure;
use crate::dial::Dialled;
use crate::refuse;
use crate::request::{Body, Chunked};
use crate::response::Head;
use crate::tunnel::pump;

/// Bytes that a direction holds at once.
const BUFFER: usize = 16 * 1024;

/// A request that is about to be sent on.
pub(crate) struct Exchange<'a> {
    pub(crate) target: &'a Target,
    pub(crate) dialled: Dialled,
    pub(crate) head: Vec<u8>,
    pub(crate) body: Body,
    /// What the run sent behind the head.
    pub(crate) early: Vec<u8>,
}

impl Exchange<'_> {
    /// Sends the request and carries the answer back.
    ///
    /// # Errors
    /// Nothing of use came back, and whether the run has been told.
    pub(crate) async fn carry(
        self,
        client: &mut TcpStream,
        idle: Duration,
        account: &Account,
    ) -> Result<(), Failure> {
        let Self { target, dialled: Dialled { mut stream, speech, .. }, head, body, early } = self;
        if speech == Speech::Tls {
            let refusal = refuse::not_tls(target, "plain HTTP was asked for");
            return Err(Failure::Answerable(refusal));
        }
        let (mut from_run, mut to_run) = client.split();
        let (mut from_target, mut to_target) = stream.split();
        let request = async {
            to_target.write_all(&head).await.map_err(Broken::Io)?;
            account.moved(Direction::Out, head.len());
            send_body(body, early, &mut from_run, &mut to_target, account).await?;
            discard(&mut from_run).await.map_err(Broken::Io)?;
            // The run has ended its side; so the target may, too.
            to_target.shutdown().await.map_err(Broken::Io)?;
            std::future::pending::<Result<(), Broken>>().await
        };
        let mut answered = false;
        let answer = answer(&mut from_target, &mut to_run, &mut answered, account);
        let end = tokio::select! {
            biased;
            end = answer => end,
            end = request => end,
            () = account.idle(idle) => Err(Broken::Answer("it took too long".to_owned())),
        };
        match end {
            Ok(()) => Ok(()),
            Err(_) if answered => Ok(()),
            Err(Broken::Request(words)) => {
                Err(Failure::Answerable(Refusal::new(RefusalKind::Malformed, words)))
            }
            Err(Broken::Answer(words)) => Err(Failure::Answerable(unreachable(target, &words))),
            Err(Broken::Io(error)) => {
                Err(Failure::Answerable(unreachable(target, &error.to_string())))
            }
        }
    }
}

fn unreachable(target: &Target, why: &str) -> Refusal {
    Refusal::new(RefusalKind::Unreachable, format!("`{target}` gave no answer: {why}"))
}

/// What broke an exchange.
enum Broken {
    /// A connection.
    Io(io::Error),
    /// The request's body.
    Request(String),
    /// The target's answer.
    Answer(String),
}

/// Sends the body, checked as it passes, and nothing behind it.
async fn send_body(
    body: Body,
    early: Vec<u8>,
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    account: &Account,
) -> Result<(), Broken> {
    let mut follower = Follower::new(body);
    let mut buffer = early;
    loop {
        let own = follower.follow(&buffer).map_err(Broken::Request)?;
        to.write_all(&buffer[..own]).await.map_err(Broken::Io)?;
        account.moved(Direction::Out, own);
        if follower.is_done() {
            return Ok(());
        }
        buffer.clear();
        buffer.reserve(BUFFER);
        if from.read_buf(&mut buffer).await.map_err(Broken::Io)? == 0 {
            return Err(Broken::Request("the request's body ended half-way".to_owned()));
        }
    }
}

enum Follower {
    Length(u64),
    Chunked(Chunked),
}

impl Follower {
    fn new(body: Body) -> Self {
        match body {
            Body::Length(length) => Self::Length(length),
            Body::Chunked => Self::Chunked(Chunked::default()),
        }
    }

    /// How many of `bytes` belong to the body.
    fn follow(&mut self, bytes: &[u8]) -> Result<usize, String> {
        match self {
            Self::Length(left) => {
                let own = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= own as u64;
                Ok(own)
            }
            Self::Chunked(chunked) => chunked.follow(bytes).map_err(|error| error.to_string()),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
        }
    }
}

/// Reads what is behind the body until the run ends its side: closing on unread
/// bytes would make the kernel take the answer back.
async fn discard(from: &mut ReadHalf<'_>) -> io::Result<()> {
    let mut rest = [0; 512];
    while from.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Carries the answer: its heads rewritten, its body as it is, to its end.
async fn answer(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    answered: &mut bool,
    account: &Account,
) -> Result<(), Broken> {
    let mut buffer = Vec::with_capacity(2048);
    loop {
        match Head::read(&buffer).map_err(|error| Broken::Answer(error.to_string()))? {
            None => {
                if from.read_buf(&mut buffer).await.map_err(Broken::Io)? == 0 {
                    return Err(Broken::Answer("it closed the connection".to_owned()));
                }
            }
            Some(head) => {
                *answered = true;
                to.write_all(&head.bytes).await.map_err(Broken::Io)?;
                account.moved(Direction::In, head.bytes.len());
                buffer.drain(..head.length);
                if !head.interim {
                    break;
                }
            }
        }
    }
    to.write_all(&buffer).await.map_err(Broken::Io)?;
    account.moved(Direction::In, buffer.len());
    drop(buffer);
    pump(from, to, Direction::In, account).await.map_err(Broken::Io)
}
