//! The warden's loop: one agent, its requests, the ends of cells.

use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cofferdam_plan::channel::{self, ChannelError};
use cofferdam_plan::{CellId, CellPlan, Layer, Leaf, Refusal, WardenEvent, WardenRequest, plain};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{getegid, geteuid};

use crate::admit::{self, AboveCeiling, Admitted};
use crate::builder::{Ids, Material};
use crate::cell::Cell;
use crate::cgroup::Hierarchy;
use crate::lease::{Lease, Leases};
use crate::options::{Endpoint, Options};
use crate::sys;

/// A peer that stops in the middle of a frame, or does not read, holds the
/// warden up no longer than this; then it is cut off.
const PEER_PATIENCE: Duration = Duration::from_secs(5);

/// Why the warden ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("descriptor {0} on the command line is not open")]
    NoSocket(RawFd),
    #[error("cannot wait for events: {0}")]
    Poll(Errno),
}

/// Serves until the agent leaves (connected) or for ever (listening).
pub(crate) fn serve(options: Options) -> Result<(), ServeError> {
    let (Endpoint::Connected(fd) | Endpoint::Listening(fd)) = options.endpoint;
    let socket = sys::inherited(fd).map_err(|_| ServeError::NoSocket(fd))?;
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
        Endpoint::Connected(_) => warden.converse(&socket),
        Endpoint::Listening(_) => warden.receive_agents(&socket, options.agent_uid),
    };
    warden.end_all_cells();
    if let Ok(hierarchy) = &warden.hierarchy {
        hierarchy.remove();
    }
    result
}

struct Warden {
    ceiling: PathBuf,
    /// `None` when rootless: cells then run under the warden's own user.
    leases: Option<Leases>,
    hierarchy: Result<Hierarchy, String>,
    cells: Vec<Cell>,
}

impl Warden {
    fn receive_agents(&mut self, listener: &OwnedFd, agent: u32) -> Result<(), ServeError> {
        loop {
            // Between agents there are no cells to look after but dying ones.
            self.end_all_cells();
            let Ok(socket) = accept_with(listener, SocketFlags::CLOEXEC) else { continue };
            match sockopt::socket_peercred(&socket).map(|peer| peer.uid.as_raw()) {
                Ok(uid) if uid == agent => self.converse(&socket)?,
                other => log(&format!("refused a connection; its uid: {other:?}")),
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
            let done = self
                .look_after_cells(socket)
                .and_then(|()| if request { self.handle(socket) } else { Ok(()) });
            match done {
                Ok(()) => {}
                Err(ChannelError::Closed) => return Ok(()),
                Err(error) => {
                    log(&format!("cut the agent off: {error}"));
                    return Ok(());
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
            Ok(_) | Err(Errno::INTR) => Ok(!sources[0].revents().is_empty()),
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
            self.give_back(remains.lease);
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
                        WardenEvent::Refused { cell, refusal, detail: plain(&detail) }
                    }
                };
                channel::send(socket, &event, &[])
            }
            (WardenRequest::Destroy(id), _) => {
                self.cell(id).map(|cell| cell.kill());
                Ok(())
            }
            (WardenRequest::MakeLeaf(leaf, limits), _) => {
                let made = match self.cell(leaf.cell) {
                    Some(cell) => cell.make_leaf(leaf.number, &limits),
                    None => Err("there is no such cell".to_owned()),
                };
                let event = match made {
                    Ok(()) => WardenEvent::LeafMade(leaf),
                    Err(detail) => WardenEvent::NoLeaf { leaf, detail: plain(&detail) },
                };
                channel::send(socket, &event, &[])
            }
            (WardenRequest::RemoveLeaf(Leaf { cell, number }), _) => {
                self.cell(cell).map(|cell| cell.remove_leaf(number));
                Ok(())
            }
        }
    }

    fn cell(&mut self, id: CellId) -> Option<&mut Cell> {
        self.cells.iter_mut().find(|cell| cell.id == id)
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
        let (lease, user) = self.user()?;
        let rootless = lease.is_none();
        let built = self.cgroup(id, &admitted, user.uid).and_then(|cgroup| {
            let material = Material { admitted, control, cgroup, user, rootless };
            Cell::build(material).map_err(|errno| {
                (Refusal::System, format!("cannot make the cell's namespaces: {errno}"))
            })
        });
        match built {
            Ok(mut cell) => {
                cell.lease = lease;
                let cgroup = cell.cgroup().to_owned();
                self.cells.push(cell);
                Ok(WardenEvent::Building { cell: id, uid: user.uid, cgroup })
            }
            Err(refused) => {
                self.give_back(lease);
                Err(refused)
            }
        }
    }

    /// Whom the next cell runs under: a leased user, or when rootless oneself.
    fn user(&mut self) -> Result<(Option<Lease>, Ids), (Refusal, String)> {
        let Some(leases) = &mut self.leases else {
            let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
            return Ok((None, Ids { uid, gid }));
        };
        let lease = leases.take().ok_or_else(|| {
            (Refusal::Exhausted, "every uid of the lease range is in use".to_owned())
        })?;
        let user = Ids { uid: lease.uid(), gid: lease.uid() };
        Ok((Some(lease), user))
    }

    fn give_back(&mut self, lease: Option<Lease>) {
        if let (Some(leases), Some(lease)) = (&mut self.leases, lease) {
            leases.give_back(lease);
        }
    }

    fn admit(&self, plan: CellPlan) -> Result<Admitted, (Refusal, String)> {
        let ceiling = cofferdam_ceiling::load(&self.ceiling, geteuid().as_raw())
            .map_err(|error| (Refusal::Ceiling, error.to_string()))?;
        admit::admit(plan, &ceiling, self.cells.len()).map_err(|error| match error {
            AboveCeiling::Cells(_) => (Refusal::Exhausted, error.to_string()),
            _ => (Refusal::Ceiling, error.to_string()),
        })
    }

    /// The cell's cgroup, or why it has none if the plan takes that.
    fn cgroup(
        &self,
        id: CellId,
        admitted: &Admitted,
        user: u32,
    ) -> Result<Result<crate::cgroup::CellCgroup, String>, (Refusal, String)> {
        let made = match &self.hierarchy {
            Ok(hierarchy) => hierarchy
                .cell(id, &admitted.plan().limits, user)
                .map_err(|error| format!("cannot make the cell's cgroup: {error}")),
            Err(reason) => Err(reason.clone()),
        };
        match made {
            Err(reason) if !admitted.plan().may_lack.contains(Layer::Cgroup) => {
                Err((Refusal::Protection, reason))
            }
            other => Ok(other),
        }
    }

    /// Ends every cell and waits until nothing of them is left, but not for
    /// ever: a process in uninterruptible sleep outlives its SIGKILL.
    fn end_all_cells(&mut self) {
        let deadline = Instant::now() + PEER_PATIENCE;
        let mut cells = std::mem::take(&mut self.cells);
        cells.iter().for_each(Cell::kill);
        while !cells.is_empty() && Instant::now() < deadline {
            cells.retain_mut(|cell| cell.bury().map(|gone| self.give_back(gone.lease)).is_none());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn is_hung_up(pipe: impl AsFd) -> bool {
    let mut source = [PollFd::new(&pipe, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut source, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// One line to the journal of the service manager.
fn log(line: &str) {
    eprintln!("cofferdam-warden: {line}");
}
