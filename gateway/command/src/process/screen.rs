//! A process with a terminal, and the person's own terminal in its place.
//!
//! Every key goes to the process, and everything it shows is shown, as it is: as with
//! ssh(1), what a host sends acts on the terminal, and one that is not trusted should
//! not be shown a terminal that is. Reading, typing and resizing go on beside each
//! other; keys that come while others are on their way go together.

use std::cell::RefCell;
use std::io;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::escape::{Escapes, HELP, Wish};
use super::events::gap_in_words;
use super::feed::{Feed, signal as signal_arguments, takes_no_more};
use super::follower::{Follower, Piece};
use super::keyboard::Keyboard;
use super::link::{Again, Link, LinkError};
use super::modes::Modes;
use crate::tty::{self, Raw, Size};

/// Keys that wait to be sent, at most; then they wait in the terminal.
const MOST_TYPED: usize = 1024 * 1024;

/// How it came to its end here.
#[derive(Debug)]
pub(crate) enum Parting {
    /// The process ended; the answer that says how.
    Ended(Value),
    /// The person left; it goes on.
    Left,
    /// This program was told to end, or its terminal is gone: by which signal. The
    /// process goes on.
    Told(u8),
}

/// What is shown and typed into.
pub(crate) struct Screen<'a> {
    link: &'a Link,
    process: &'a str,
    follower: Follower,
    feed: Feed,
    modes: RefCell<Modes>,
    typed: RefCell<Vec<u8>>,
    changed: Notify,
    raw: RefCell<Option<Raw>>,
}

impl<'a> Screen<'a> {
    /// Of `process`, from an offset of what it showed on.
    pub(crate) fn new(link: &'a Link, process: &'a str, offset: u64, given: Option<u64>) -> Self {
        Self {
            link,
            process,
            follower: Follower::new(process, [offset, 0], None),
            feed: Feed::new(process, given),
            modes: RefCell::default(),
            typed: RefCell::default(),
            changed: Notify::new(),
            raw: RefCell::new(None),
        }
    }

    /// Shows and types until the process ends or the person leaves. The terminal is as
    /// it was afterwards.
    pub(crate) async fn serve(
        self,
        escapes: bool,
        shown: Option<Size>,
    ) -> Result<Parting, LinkError> {
        let Self { link, process, mut follower, mut feed, modes, typed, changed, raw } = self;
        *raw.borrow_mut() = Some(Raw::enter()?);
        let typing = Typing { link, process, typed: &typed, changed: &changed, raw: &raw };
        let parted = tokio::select! {
            ended = show(link, &mut follower, &modes) => ended.map(Parting::Ended),
            parting = typing.read(Escapes::new(escapes)) => parting,
            error = typing.send(&mut feed) => Err(error),
            error = resize(link, process, shown) => Err(error),
            told = told_to_end() => told.map(Parting::Told).map_err(LinkError::from),
        };
        if !matches!(parted, Ok(Parting::Ended(_))) {
            let (mut out, undo) = (tokio::io::stdout(), modes.borrow().undo());
            _ = out.write_all(format!("{undo}\r\n").as_bytes()).await;
            _ = out.flush().await;
        }
        raw.borrow_mut().take();
        parted
    }
}

/// Shows what the process shows, to its end.
async fn show(
    link: &Link,
    follower: &mut Follower,
    modes: &RefCell<Modes>,
) -> Result<Value, LinkError> {
    let mut out = tokio::io::stdout();
    loop {
        for piece in follower.next(link).await?.pieces {
            match piece {
                Piece::Output(_, _, bytes) => {
                    modes.borrow_mut().look_at(&bytes);
                    out.write_all(&bytes).await?;
                    out.flush().await?;
                }
                Piece::Gap(stream, _, length) => tty::say(&gap_in_words(stream, length)),
                Piece::End(answer) => return Ok(answer),
            }
        }
    }
}

struct Typing<'a> {
    link: &'a Link,
    process: &'a str,
    typed: &'a RefCell<Vec<u8>>,
    changed: &'a Notify,
    raw: &'a RefCell<Option<Raw>>,
}

impl Typing<'_> {
    /// Takes keys, until one of them means to leave.
    async fn read(&self, mut escapes: Escapes) -> Result<Parting, LinkError> {
        let mut keyboard = Keyboard::start();
        while let Some(typed) = keyboard.next().await {
            for wish in escapes.take(&typed) {
                match wish {
                    Wish::Send(bytes) => {
                        self.typed.borrow_mut().extend(bytes);
                        self.changed.notify_waiters();
                    }
                    Wish::Leave => return Ok(Parting::Left),
                    Wish::Kill => {
                        let arguments = signal_arguments(self.process, "KILL");
                        self.link.call("signal_process", &arguments, Again::Safe).await?;
                        // Its end is shown like any other.
                        std::future::pending::<()>().await;
                    }
                    Wish::Suspend => self.suspend()?,
                    Wish::Help => {
                        let help = HELP.replace('\n', "\r\n");
                        _ = io::Write::write_all(
                            &mut io::stderr(),
                            format!("\r\n{help}").as_bytes(),
                        );
                    }
                }
            }
            while self.typed.borrow().len() > MOST_TYPED {
                self.changed.notified().await;
            }
        }
        // The terminal is gone.
        Ok(Parting::Told(1))
    }

    /// Sends what was typed, all that there is at once.
    async fn send(&self, feed: &mut Feed) -> LinkError {
        loop {
            let bytes = std::mem::take(&mut *self.typed.borrow_mut());
            if bytes.is_empty() {
                self.changed.notified().await;
                continue;
            }
            match feed.give(self.link, &bytes, false).await {
                Ok(()) => self.changed.notify_waiters(),
                // It has ended, or is about to: its end is told by whoever reads.
                Err(error) if takes_no_more(&error) => std::future::pending().await,
                Err(error) => return error,
            }
        }
    }

    /// Gives the terminal back, stops, and takes it again when it goes on.
    fn suspend(&self) -> io::Result<()> {
        self.raw.borrow_mut().take();
        rustix::process::kill_current_process_group(rustix::process::Signal::TSTP)?;
        *self.raw.borrow_mut() = Some(Raw::enter()?);
        Ok(())
    }
}

/// Tells the process the size of the terminal, now where it is not `shown`, and
/// whenever it changes.
async fn resize(link: &Link, process: &str, mut shown: Option<Size>) -> LinkError {
    let mut changes = match signal(SignalKind::window_change()) {
        Ok(changes) => changes,
        Err(error) => return error.into(),
    };
    loop {
        let now = tty::size();
        if now.is_some() && now != shown {
            let Size { rows, columns } = now.unwrap_or(Size { rows: 24, columns: 80 });
            let arguments = json!({
                "process": process, "rows": rows.min(1000), "columns": columns.min(1000),
            });
            match link.call("resize_process", &arguments, Again::Safe).await {
                // A process that cannot be resized can be used all the same.
                Ok(_) | Err(LinkError::Refused { .. }) => shown = now,
                Err(error) => return error,
            }
            continue;
        }
        if changes.recv().await.is_none() {
            return std::future::pending().await;
        }
    }
}

/// Waits until this program is told to end; by which signal.
async fn told_to_end() -> io::Result<u8> {
    let mut end = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = end.recv() => 15,
        _ = hang_up.recv() => 1,
        _ = quit.recv() => 3,
        _ = interrupt.recv() => 2,
    })
}
