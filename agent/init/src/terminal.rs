//! A run's terminal (pty(7)), made in the cell's own /dev/pts.

use std::os::fd::OwnedFd;

use cofferdam_plan::TerminalSize;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Both ends of a terminal.
pub(crate) struct Terminal {
    /// The agent's: what is typed and what is shown.
    pub(crate) controller: OwnedFd,
    /// The run's standard streams.
    pub(crate) run: OwnedFd,
}

impl Terminal {
    pub(crate) fn make(size: TerminalSize) -> rustix::io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let controller = openat(CWD, c"/dev/pts/ptmx", flags, Mode::empty())?;
        unlockpt(&controller)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let run = ioctl_tiocgptpeer(&controller, flags)?;
        let TerminalSize { rows, columns } = size;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&controller, size)?;
        Ok(Self { controller, run })
    }
}
