//! Ending every cell and run of this host, whoever still answers.
//!
//! First the host is frozen, so that nothing follows. Then, one after the other,
//! as long as something is left: the agent is asked; one that does not answer is
//! killed, which closes its cells' sockets and lets the warden end them; and a
//! request is left for systemd, whose unit `cofferdam-kill-all.path` sees it and
//! kills all that is in the cgroup where every cell lives. That step is root's, and
//! none of our code is in it. Where nobody watches for it, agents that were started
//! in the place of a killed one are asked as well. What counts in the end is what
//! the kernel says: cgroups and processes of cells.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use super::{HandError, Here, become_user, told};
use crate::control::{AskError, Killed, Request, ask};
use crate::freeze::Freeze;
use crate::remains::{cells, processes_of_cells};

/// The name of the request that systemd watches for, beside the local socket.
const FOR_SYSTEMD: &str = "kill-all";
/// How long the agent may take to end its cells.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long what was told to end may take.
const BURIAL: Duration = Duration::from_secs(6);
/// How often is looked.
const GLANCE: Duration = Duration::from_millis(50);
/// How often a new agent that took the cells over is asked as well.
const AGENTS: usize = 3;
/// For the owner, where all of it was not enough.
const BY_HAND: &str = "as root: systemctl kill --signal=KILL cofferdam-warden.service \
                       cofferdam-cells.service";

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct End {
    /// Runs that the agent ended.
    pub runs: usize,
    /// Cells that the agent ended.
    pub cells: usize,
    /// Cells and processes of cells that are still there.
    pub left: usize,
    /// Nothing new starts.
    pub frozen: bool,
    /// What was done besides, and what is left to do.
    pub notes: Vec<String>,
}

impl End {
    /// As a person reads it.
    #[must_use]
    pub fn print(&self) -> String {
        let Self { runs, cells, left, frozen, notes } = self;
        let state = match (*left, *frozen) {
            (0, true) => {
                "Nothing of any cell is left, and nothing new starts until `cofferdam-agent unfreeze`."
            }
            (0, false) => "Nothing of any cell is left.",
            _ => "SOMETHING IS LEFT.",
        };
        let head = format!("The agent ended {runs} runs and {cells} cells. {state}");
        let lines = std::iter::once(head).chain(notes.iter().cloned());
        lines.map(|line| line + "\n").collect()
    }
}

/// Freezes the host and ends all cells and runs.
///
/// # Errors
/// Where there is no configuration, or root was not given up.
pub fn kill_all(here: &Here) -> Result<End, HandError> {
    let config = become_user(&here.config)?;
    let mut end = End::default();
    match Freeze::of(&config).raise() {
        Ok(_) => end.frozen = true,
        Err(error) => end.notes.push(format!("NOT FROZEN, what is asked now starts anew: {error}")),
    }
    let asked = go_through(&config.control, &mut end);
    end.left = wait();
    // Where nobody watches for it, it must not end the cells of tomorrow.
    drop(asked.map(fs::remove_file));
    if end.left > 0 {
        end.notes.push(format!("{} cells or processes are left; {BY_HAND}", end.left));
    }
    Ok(end)
}

/// Asks whoever could end all of it, until it has ended; gives the request to systemd,
/// if one was left.
fn go_through(socket: &Path, end: &mut End) -> Option<PathBuf> {
    let mut request = None;
    for _ in 0..AGENTS {
        match ask::<Killed>(socket, Request::KillAll, PATIENCE) {
            Ok(Killed { runs, cells, left: _ }) => {
                end.runs += runs;
                end.cells += cells;
            }
            // Whoever is started in its place may hang as well: systemd is next.
            Err(AskError::Stuck { pid, source }) => {
                end.notes.push(format!(
                    "the agent (process {}) did not answer and was killed: {source}",
                    pid.as_raw_nonzero()
                ));
                kill(pid, end);
                request = request.or_else(|| ask_systemd(socket, end));
            }
            Err(error) => end.notes.extend(told(&error)),
        }
        if wait() == 0 {
            break;
        }
        if request.is_none() {
            request = ask_systemd(socket, end);
            if wait() == 0 {
                break;
            }
        }
    }
    request
}

fn kill(pid: Pid, end: &mut End) {
    if let Err(error) = kill_process(pid, Signal::KILL) {
        end.notes.push(format!("cannot kill process {}: {error}", pid.as_raw_nonzero()));
    }
}

/// Leaves the request that `cofferdam-kill-all.path` watches for; gives where.
fn ask_systemd(socket: &Path, end: &mut End) -> Option<PathBuf> {
    let place = socket.parent()?.join(FOR_SYSTEMD);
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&place);
    end.notes.push(match made {
        Ok(_) => "systemd was asked to kill all that is in the warden's cgroup".to_owned(),
        Err(error) => format!("systemd cannot be asked: `{}`: {error}", place.display()),
    });
    Some(place)
}

/// Takes back the request of a `kill-all` that was interrupted: whenever systemd looks
/// for it again, it would end the cells of that day. Gives why that is not possible.
pub(super) fn forget(socket: &Path) -> Option<String> {
    let place = socket.parent()?.join(FOR_SYSTEMD);
    let error = fs::remove_file(&place).err()?;
    (error.kind() != io::ErrorKind::NotFound).then(|| {
        format!(
            "`{}` asks systemd to end all cells and cannot be removed: {error}",
            place.display()
        )
    })
}

/// Waits for a while until nothing of cells is left; how much is.
fn wait() -> usize {
    let until = Instant::now() + BURIAL;
    loop {
        let left = left();
        if left == 0 || Instant::now() >= until {
            return left;
        }
        std::thread::sleep(GLANCE);
    }
}

/// Cells with processes, and processes of cells that are in none of them.
fn left() -> usize {
    let cells = cells().into_iter().filter(|(_, processes)| *processes > 0).count();
    cells.max(processes_of_cells().len().min(1))
}
