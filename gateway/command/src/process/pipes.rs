//! A process without a terminal: its output becomes this program's output, this
//! program's input its input, and signals to this program reach it.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

use super::events::{self, gap_in_words};
use super::feed::{Feed, signal as signal_arguments, takes_no_more};
use super::follower::{Follower, Piece, Stream};
use super::keyboard::Keyboard;
use super::link::{Again, Link, LinkError};
use super::screen::Parting;
use crate::report::Format;
use crate::tty;

/// How long a process has to end when nobody reads its output any more.
const GRACE: Duration = Duration::from_secs(2);

/// What of this program the process gets.
pub(crate) struct Pipes<'a> {
    pub(crate) link: &'a Link,
    pub(crate) process: &'a str,
    pub(crate) format: Format,
    /// Whether signals to this program are for the process; else they end this program.
    pub(crate) signals: bool,
}

impl Pipes<'_> {
    /// Carries everything until the process ends or this program leaves it.
    /// `input`: what it gets to read, what was read here already first.
    pub(crate) async fn serve(
        &self,
        follower: &mut Follower,
        input: Option<(Vec<u8>, Keyboard)>,
    ) -> Result<Parting, LinkError> {
        tokio::select! {
            ended = self.show(follower) => match ended {
                Err(Shown::Closed) => self.closed().await,
                Err(Shown::Failed(error)) => Err(error),
                Ok(answer) => Ok(Parting::Ended(answer)),
            },
            error = self.feed(input) => Err(error),
            told = self.heed() => told,
        }
    }

    async fn show(&self, follower: &mut Follower) -> Result<Value, Shown> {
        let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
        loop {
            let read = follower.next(self.link).await.map_err(Shown::Failed)?;
            for piece in read.pieces {
                if self.format == Format::Json {
                    events::write(&mut out, &events::piece(&piece)).await?;
                }
                match piece {
                    Piece::End(answer) => return Ok(answer),
                    _ if self.format == Format::Json => {}
                    Piece::Output(Stream::Stdout, _, bytes) => write(&mut out, &bytes).await?,
                    Piece::Output(Stream::Stderr, _, bytes) => write(&mut err, &bytes).await?,
                    Piece::Gap(stream, _, length) => tty::say(&gap_in_words(stream, length)),
                }
            }
        }
    }

    /// Nobody reads the output any more: the process hears of it as it would in a shell.
    async fn closed(&self) -> Result<Parting, LinkError> {
        const BROKEN_PIPE: u8 = 13;
        if self.signals {
            for name in ["TERM", "KILL"] {
                let arguments = signal_arguments(self.process, name);
                if self.link.call("signal_process", &arguments, Again::Safe).await.is_err() {
                    break;
                }
                tokio::time::sleep(GRACE).await;
            }
        }
        Ok(Parting::Told(BROKEN_PIPE))
    }

    async fn feed(&self, input: Option<(Vec<u8>, Keyboard)>) -> LinkError {
        let Some((begun, mut keyboard)) = input else { return std::future::pending().await };
        let mut feed = Feed::new(self.process, None);
        let mut next = Some(begun);
        loop {
            let is_end = next.is_none();
            match feed.give(self.link, &next.unwrap_or_default(), is_end).await {
                Ok(()) if !is_end => next = keyboard.next().await,
                // It has all, or takes no more.
                Ok(()) => return std::future::pending().await,
                Err(error) if takes_no_more(&error) => return std::future::pending().await,
                Err(error) => return error,
            }
        }
    }

    /// Passes signals on; the second of a kind that asks to end kills.
    async fn heed(&self) -> Result<Parting, LinkError> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut end = signal(SignalKind::terminate())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        for asked in 1.. {
            let (name, number) = tokio::select! {
                _ = interrupt.recv() => ("INT", 2),
                _ = end.recv() => ("TERM", 15),
                _ = quit.recv() => ("QUIT", 3),
                // Whoever sat here is gone.
                _ = hang_up.recv() => ("HUP", 1),
            };
            if !self.signals || asked > 2 {
                return Ok(Parting::Told(number));
            }
            let name = if asked == 1 { name } else { "KILL" };
            let arguments = signal_arguments(self.process, name);
            match self.link.call("signal_process", &arguments, Again::Unsafe).await {
                Ok(_) if asked == 1 => tty::say(&format!(
                    "sent {name} to {}; once more kills it, a third time leaves it",
                    self.process
                )),
                Ok(_) => {}
                Err(error) => tty::say(&error.to_string()),
            }
            if number == 1 {
                return Ok(Parting::Told(number));
            }
        }
        Ok(Parting::Left)
    }
}

/// Why showing stopped.
enum Shown {
    /// Nobody reads what is shown.
    Closed,
    Failed(LinkError),
}

impl From<io::Error> for Shown {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(error.into()),
        }
    }
}

async fn write(out: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes).await?;
    out.flush().await
}
