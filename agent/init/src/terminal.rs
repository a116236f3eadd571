//! A run's terminal (pty(7)), made in the cell's own /dev/pts.

use std::os::fd::OwnedFd;

use cofferdam_plan::TerminalSize;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::Pid;
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

/// The foreground process group of the terminal that `leader`'s session has, as
/// /proc says it: `tpgid` of proc_pid_stat(5). The name before it may hold
/// anything but is the last that ends with a parenthesis.
pub(crate) fn foreground(leader: Pid) -> Option<Pid> {
    let stat = std::fs::read(format!("/proc/{}/stat", leader.as_raw_nonzero())).ok()?;
    group_of(&stat)
}

fn group_of(stat: &[u8]) -> Option<Pid> {
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields = std::str::from_utf8(&stat[after..]).ok()?;
    // state, ppid, pgrp, session, tty_nr, tpgid
    let group: i32 = fields.split_ascii_whitespace().nth(5)?.parse().ok()?;
    // -1: it has no terminal. 1 would be this process.
    if group > 1 { Pid::from_raw(group) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foreground_group_is_read_past_any_name() {
        let group = |stat: &str| group_of(stat.as_bytes()).map(|pid| pid.as_raw_nonzero().get());
        assert_eq!(group("7 (bash) S 1 7 7 34816 9 4194304 0"), Some(9));
        assert_eq!(group("7 (a) b ( 1) S 1 7 7 34816 9 4194304 0"), Some(9));
        for other in ["7 (bash) S 1 7 7 0 -1 0", "7 (bash) S 1 7 7 0 1 0", "7 (bash", "", "7 (x) S"]
        {
            assert_eq!(group(other), None, "{other}");
        }
    }
}
