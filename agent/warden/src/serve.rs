//! The warden's loop: one agent, its requests, the ends of cells.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cofferdam_plan::channel::{self, ChannelError};
use cofferdam_plan::{CellId, CellPlan, Refusal, WardenEvent, WardenRequest};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, chmod, chown};
use rustix::net::sockopt::{self, Timeout};
use rustix::process::{Uid, getegid, geteuid};

use crate::admit::{self, Admitted};
use crate::builder::CellUser;
use crate::cell::{Cell, Material};
use crate::cgroup::Hierarchy;
use crate::lease::Leases;
use crate::options::{Endpoint, Options};
use crate::sys;

/// A peer that stops in the middle of a frame, or does not read, holds the
/// warden up no longer than this; then it is cut off.
const PEER_PATIENCE: Duration = Duration::from_secs(5);

/// Why the warden ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("cannot listen on `{path}`: {source}")]
    Listen { path: PathBuf, source: io::Error },
    #[error("descriptor {0} of `--connected-fd` is not an open socket")]
    NotConnected(i32),
    #[error("cannot wait for events: {0}")]
    Poll(rustix::io::Errno),
}

/// Serves until the agent leaves (connected) or for ever (listening).
pub(crate) fn serve(options: Options) -> Result<(), ServeError> {
    let rootless = !geteuid().is_root();
    let hierarchy = Hierarchy::prepare()
        .map_err(|error| format!("no cgroup can be made beneath /sys/fs/cgroup: {error}"));
    let mut warden = Warden {
        ceiling: options.ceiling,
        leases: (!rootless).then(|| Leases::new(options.leases)),
        hierarchy,
        cells: Vec::new(),
    };
    let result = match options.endpoint {
        Endpoint::Connected(fd) => sys::inherited(fd)
            .map_err(|_| ServeError::NotConnected(fd))
            .and_then(|socket| warden.converse(&socket)),
        Endpoint::Listen(path) => listen(&path, options.agent_uid)
            .and_then(|listener| warden.receive_agents(&listener, options.agent_uid)),
    };
    warden.end_all_cells();
    if let Ok(hierarchy) = &warden.hierarchy {
        hierarchy.remove();
    }
    result
}

/// Makes the socket, for root and the agent only.
fn listen(path: &Path, agent: u32) -> Result<UnixListener, ServeError> {
    let make = || {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody can connect between bind and chown: umask 0177 leaves root only.
        let umask = rustix::process::umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        rustix::process::umask(umask);
        let listener = listener?;
        chown(path, Some(Uid::from_raw(agent)), None)?;
        chmod(path, Mode::from_raw_mode(0o600))?;
        Ok(listener)
    };
    make().map_err(|source| ServeError::Listen { path: path.into(), source })
}

struct Warden {
    ceiling: PathBuf,
    /// `None` when rootless: cells then run under the warden's own user.
    leases: Option<Leases>,
    hierarchy: Result<Hierarchy, String>,
    cells: Vec<Cell>,
}

impl Warden {
    fn receive_agents(&mut self, listener: &UnixListener, agent: u32) -> Result<(), ServeError> {
        loop {
            // Between agents there are no cells to look after but dying ones.
            self.end_all_cells();
            let Ok((stream, _)) = listener.accept() else { continue };
            let socket = OwnedFd::from(stream);
            match sockopt::socket_peercred(&socket) {
                Ok(peer) if peer.uid.as_raw() == agent => self.converse(&socket)?,
                Ok(peer) => log(&format!("refused a connection of uid {}", peer.uid.as_raw())),
                Err(errno) => log(&format!("refused a connection without credentials: {errno}")),
            }
        }
    }

    /// Serves one agent until it leaves or breaks the protocol.
    fn converse(&mut self, socket: &OwnedFd) -> Result<(), ServeError> {
        for timeout in [Timeout::Recv, Timeout::Send] {
            // Without the timeout only the agent itself could suffer.
            _ = sockopt::set_socket_timeout(socket, timeout, Some(PEER_PATIENCE));
        }
        loop {
            let request = self.wait(socket)?;
            if self.look_after_cells(socket).is_err() {
                return Ok(());
            }
            if request {
                match self.handle(socket) {
                    Ok(()) => {}
                    Err(ChannelError::Closed) => return Ok(()),
                    Err(error) => {
                        log(&format!("cut the agent off: {error}"));
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits for a request, a cell's end, a builder's end or a deadline; true
    /// when there is a request.
    fn wait(&self, socket: &OwnedFd) -> Result<bool, ServeError> {
        let due = self.cells.iter().filter_map(Cell::due).min();
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
        let running = self.cells.iter().filter(|cell| !cell.is_reaped());
        let mut sources = vec![PollFd::new(socket, PollFlags::IN)];
        for cell in running {
            sources.push(PollFd::from_borrowed_fd(cell.descriptor(), PollFlags::IN));
            sources
                .extend(cell.building().map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)));
        }
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(!sources[0].revents().is_empty()),
            Err(errno) => Err(ServeError::Poll(errno)),
        }
    }

    /// Notes finished builders, ends late ones, buries the dead.
    fn look_after_cells(&mut self, socket: impl AsFd) -> Result<(), ChannelError> {
        let mut gone = Vec::new();
        self.cells.retain_mut(|cell| {
            if cell.building().is_some_and(is_hung_up) {
                cell.built();
            }
            cell.keep_deadline();
            let remains = cell.bury();
            let kept = remains.is_none();
            gone.extend(remains);
            kept
        });
        for remains in gone {
            if let (Some(leases), Some(lease)) = (&mut self.leases, remains.lease) {
                leases.give_back(lease);
            }
            channel::send(&socket, &WardenEvent::Gone { cell: remains.id }, &[])?;
        }
        Ok(())
    }

    fn handle(&mut self, socket: &OwnedFd) -> Result<(), ChannelError> {
        match channel::receive::<WardenRequest>(socket)? {
            (WardenRequest::Build(plan), descriptors) => {
                let cell = plan.cell;
                let event = match self.build(plan, descriptors) {
                    Ok(event) => event,
                    Err((refusal, detail)) => {
                        log(&format!("refused cell {cell}: {detail}"));
                        WardenEvent::Refused { cell, refusal, detail: bounded(detail) }
                    }
                };
                channel::send(socket, &event, &[])
            }
            (WardenRequest::Destroy(id), _) => {
                if let Some(cell) = self.cells.iter().find(|cell| cell.id == id) {
                    cell.kill();
                }
                Ok(())
            }
        }
    }

    fn build(
        &mut self,
        plan: CellPlan,
        descriptors: Vec<OwnedFd>,
    ) -> Result<WardenEvent, (Refusal, String)> {
        let id = plan.cell;
        let contradiction = |what: &str| (Refusal::Plan, what.to_owned());
        let [control] = <[OwnedFd; 1]>::try_from(descriptors).map_err(|_| {
            contradiction("a cell needs exactly one descriptor: its control socket")
        })?;
        if self.cells.iter().any(|cell| cell.id == id) {
            return Err(contradiction("the cell id is in use"));
        }
        log(&format!("building cell {id} of profile {} for {}", plan.profile, plan.subject));
        let admitted = self.admit(plan)?;
        let cgroup = self.cgroup(id, &admitted)?;
        let lease = match &mut self.leases {
            None => None,
            Some(leases) => Some(leases.take().ok_or_else(|| {
                let detail = "every uid of the lease range is in use; end sessions";
                (Refusal::Exhausted, detail.to_owned())
            })?),
        };
        let user = match &lease {
            Some(lease) => CellUser { uid: lease.uid(), gid: lease.uid() },
            None => CellUser { uid: geteuid().as_raw(), gid: getegid().as_raw() },
        };
        match Cell::build(Material { admitted, control, lease, cgroup, user }) {
            Ok(cell) => {
                let cgroup = cell.cgroup().to_owned();
                self.cells.push(cell);
                Ok(WardenEvent::Building { cell: id, uid: user.uid, cgroup })
            }
            Err((errno, lease)) => {
                if let (Some(leases), Some(lease)) = (&mut self.leases, lease) {
                    leases.give_back(lease);
                }
                let detail = format!(
                    "cannot make the cell's namespaces: {errno}; \
                     `cofferdam doctor` says what this host allows"
                );
                Err((Refusal::System, detail))
            }
        }
    }

    fn admit(&self, plan: CellPlan) -> Result<Admitted, (Refusal, String)> {
        let above = |error: &dyn std::error::Error| (Refusal::Ceiling, error.to_string());
        let ceiling = cofferdam_ceiling::load(&self.ceiling, geteuid().as_raw())
            .map_err(|error| above(&error))?;
        admit::admit(plan, &ceiling, self.cells.len()).map_err(|error| above(&error))
    }

    /// The cell's cgroup, or why it has none if the plan takes that.
    fn cgroup(
        &self,
        id: CellId,
        admitted: &Admitted,
    ) -> Result<Result<crate::cgroup::CellCgroup, String>, (Refusal, String)> {
        let made = match &self.hierarchy {
            Ok(hierarchy) => hierarchy
                .cell(id, &admitted.plan().limits)
                .map_err(|error| format!("cannot make the cell's cgroup: {error}")),
            Err(reason) => Err(reason.clone()),
        };
        match made {
            Err(reason) if !admitted.plan().allow_degraded => Err((Refusal::Protection, reason)),
            other => Ok(other),
        }
    }

    /// Ends every cell and waits until nothing of them is left, but not for
    /// ever: a process in uninterruptible sleep outlives its SIGKILL.
    fn end_all_cells(&mut self) {
        let deadline = Instant::now() + PEER_PATIENCE;
        for cell in &self.cells {
            cell.kill();
        }
        while !self.cells.is_empty() && Instant::now() < deadline {
            let leases = &mut self.leases;
            self.cells.retain_mut(|cell| match cell.bury() {
                Some(remains) => {
                    if let (Some(leases), Some(lease)) = (leases.as_mut(), remains.lease) {
                        leases.give_back(lease);
                    }
                    false
                }
                None => true,
            });
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn is_hung_up(pipe: impl AsFd) -> bool {
    let mut source = [PollFd::new(&pipe, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut source, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Cut to what an event may carry, at a character's end.
fn bounded(mut text: String) -> String {
    text.retain(|c| !c.is_control());
    let end = (0..=text.len().min(1024)).rev().find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
    text
}

/// One line to the journal of the service manager.
fn log(line: &str) {
    eprintln!("cofferdam-warden: {line}");
}
