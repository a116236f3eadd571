//! The agent's end of a run's terminal: what is shown and what is typed as
//! streams, and how large it is.
//!
//! The descriptor comes from the cell and is a claim like all else that does: one
//! that is no terminal is refused.

use std::io;
use std::os::fd::OwnedFd;

use cofferdam_plan::TerminalSize;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::termios::{Winsize, isatty, tcsetwinsize};

use crate::streams::{OwnEnds, Relay};

/// One terminal.
#[derive(Debug)]
pub struct Terminal(OwnedFd);

impl Terminal {
    /// Takes over what the cell gave, as a terminal and as the run's streams, which go
    /// by `relays` where they are to outlive this process. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// Where it is no terminal, or descriptors have run out.
    pub fn new(given: OwnedFd, relays: Option<[Relay; 2]>) -> io::Result<(Self, OwnEnds)> {
        if !isatty(&given) {
            let why = "the cell gave something else than a terminal";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let flags = fcntl_getfl(&given)?;
        fcntl_setfl(&given, flags | OFlags::NONBLOCK)?;
        let ends = OwnEnds::of_terminal(&given, relays)?;
        Ok((Self(given), ends))
    }

    /// Changes its size; the kernel tells the foreground processes (`SIGWINCH`).
    ///
    /// # Errors
    /// As ioctl(2) says.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        let TerminalSize { rows, columns } = size;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.0, size)?)
    }
}
