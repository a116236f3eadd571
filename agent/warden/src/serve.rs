//! The warden's loop: one agent, its requests, the ends of cells.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cofferdam_plan::channel::{self, ChannelError};
use cofferdam_plan::{CellId, CellPlan, Layer, Refusal, WardenEvent, WardenRequest, plain};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{getegid, geteuid};

use crate::admit::{self, AboveCeiling, Admitted};
use crate::audit;
use crate::builder::Material;
use crate::cell::Cell;
use crate::cgroup::{CellCgroup, Hierarchy};
use crate::lease::{Ids, Leases};
use crate::options::Options;
use crate::sys;

/// A peer that stops in the middle of a frame, or does not read, holds the
/// warden up no longer than this; then it is cut off.
const PEER_PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no cell, also in words.
type Refused = (Refusal, String);

/// Serves until the agent leaves (connected) or for ever (listening).
pub(crate) fn serve(options: Options) -> Result<(), String> {
    let socket = sys::inherited(options.socket)
        .map_err(|_| "the descriptor on the command line is not open".to_owned())?;
    let hierarchy = Hierarchy::prepare(&options.cgroup)
        .map_err(|error| format!("no cgroup can be made beneath /sys/fs/cgroup: {error}"));
    let own = Ids { uid: geteuid().as_raw(), gid: getegid().as_raw() };
    let mut warden = Warden {
        ceiling: options.ceiling,
        rootless: Some(own).filter(|own| own.uid != 0),
        leases: Leases::new(options.leases),
        hierarchy,
        cells: Vec::new(),
    };
    warden.take_over();
    let result = match sockopt::socket_acceptconn(&socket) {
        Ok(true) => warden.receive_agents(&socket, options.agent_uid),
        _ => warden.converse(&socket),
    };
    warden.end_all_cells();
    warden.hierarchy.iter().for_each(Hierarchy::remove);
    result
}

struct Warden {
    ceiling: PathBuf,
    /// Started by an ordinary user: cells run under that user.
    rootless: Option<Ids>,
    leases: Leases,
    hierarchy: Result<Hierarchy, String>,
    cells: Vec<Cell>,
}

impl Warden {
    /// Goes on with the cells of a warden before this one. What is not a whole cell's is
    /// ended, also where its builder is root still; one that was built further ends itself,
    /// because the agent lets go of what it got no answer for.
    fn take_over(&mut self) {
        let left: Vec<_> = self.hierarchy.iter().flat_map(Hierarchy::left).collect();
        for (id, cgroup, leased) in left {
            let (process, runs_under) = cgroup.first().unzip();
            let user = self.rootless.unwrap_or(Ids { uid: leased, gid: leased });
            let free = self.leases.includes(leased) && !self.users().contains(&leased);
            let mut cell = Cell::left(id, cgroup, process, user);
            if runs_under != Some(user.uid) || (self.rootless.is_none() && !free) {
                cell.kill();
            }
            self.cells.push(cell);
        }
    }

    fn receive_agents(&mut self, listener: &OwnedFd, agent: u32) -> Result<(), String> {
        loop {
            // Who comes next asks for the cells that it knows.
            self.cells.iter_mut().for_each(Cell::orphan);
            while !self.wait(listener)? {
                _ = self.look_after_cells();
            }
            let Ok(socket) = accept_with(listener, SocketFlags::CLOEXEC) else { continue };
            match sockopt::socket_peercred(&socket).map(|peer| peer.uid.as_raw()) {
                Ok(uid) if uid == agent => self.converse(&socket)?,
                other => log(&format!("refused a connection; its uid: {other:?}")),
            }
        }
    }

    /// Serves one agent until it leaves or breaks the protocol.
    fn converse(&mut self, socket: &OwnedFd) -> Result<(), String> {
        for timeout in [Timeout::Recv, Timeout::Send] {
            // Without the timeout only the agent itself could suffer.
            _ = sockopt::set_socket_timeout(socket, timeout, Some(PEER_PATIENCE));
        }
        loop {
            let request = self.wait(socket)?;
            let mut gone = self.look_after_cells();
            let done = gone
                .try_for_each(|event| channel::send(socket, &event, &[]))
                .and_then(|()| if request { self.handle(socket) } else { Ok(()) });
            let Err(error) = done else { continue };
            if !matches!(error, ChannelError::Closed) {
                log(&format!("cut the agent off: {error}"));
            }
            return Ok(());
        }
    }

    /// Waits for a request, a cell's end, a builder's end or a deadline; true
    /// when there is a request.
    fn wait(&mut self, socket: &OwnedFd) -> Result<bool, String> {
        let due = self.cells.iter().filter_map(Cell::due).min();
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
        let mut sources: Vec<_> = std::iter::once(socket.as_fd())
            .chain(self.cells.iter().flat_map(Cell::sources))
            .map(|source| PollFd::from_borrowed_fd(source, PollFlags::IN))
            .collect();
        if poll(&mut sources, timeout.as_ref()).is_err_and(|errno| errno != Errno::INTR) {
            return Err("the kernel does not let this process wait for events".to_owned());
        }
        let ready: Vec<_> = sources.iter().map(|it| !it.revents().is_empty()).collect();
        let mut of_cells = ready[1..].iter();
        for cell in &mut self.cells {
            cell.stirred =
                of_cells.by_ref().take(cell.sources().count()).filter(|it| **it).count() > 0;
        }
        Ok(ready[0])
    }

    /// Notes finished builders, ends late ones, buries the dead.
    fn look_after_cells(&mut self) -> impl Iterator<Item = WardenEvent> + use<> {
        let over = |cell: &mut Cell| {
            cell.keep_deadline();
            cell.bury()
        };
        let gone: Vec<_> = self.cells.extract_if(.., over).collect();
        gone.into_iter().map(|cell| WardenEvent::Gone { cell: cell.id })
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
                self.cell(id).into_iter().for_each(Cell::kill);
                Ok(())
            }
            (WardenRequest::Adopt(id), _) => {
                let known = self.cell(id).map(Cell::adopt);
                channel::send(socket, &known.unwrap_or(WardenEvent::Gone { cell: id }), &[])
            }
            (WardenRequest::MakeLeaf(leaf, limits), _) => {
                let cell = self.cell(leaf.cell).ok_or("there is no such cell".to_owned());
                let made = cell.and_then(|cell| cell.make_leaf(leaf.number, &limits));
                let detail = made.as_ref().err().map(|why| plain(why)).unwrap_or_default();
                let given: Vec<_> = made.iter().flatten().map(AsFd::as_fd).collect();
                let event = WardenEvent::Leaf { leaf, there: made.is_ok(), detail };
                channel::send(socket, &event, &given)
            }
            (WardenRequest::Records, _) => {
                let records = audit::records();
                let why = records.as_ref().err().map(|why| plain(why)).unwrap_or_default();
                let given: Vec<_> = records.iter().map(AsFd::as_fd).collect();
                channel::send(socket, &WardenEvent::Records(why), &given)
            }
            (WardenRequest::RemoveLeaf(leaf, end), _) => {
                let cell = self.cell(leaf.cell);
                let there = cell.is_some_and(|cell| !cell.remove_leaf(leaf.number, end));
                let event = WardenEvent::Leaf { leaf, there, detail: String::new() };
                channel::send(socket, &event, &[])
            }
        }
    }

    /// Whom cells run under.
    fn users(&self) -> BTreeSet<u32> {
        self.cells.iter().map(|cell| cell.user.uid).collect()
    }

    fn cell(&mut self, id: CellId) -> Option<&mut Cell> {
        self.cells.iter_mut().find(|cell| cell.id == id)
    }

    fn build(&mut self, plan: CellPlan, descriptors: Vec<OwnedFd>) -> Result<WardenEvent, Refused> {
        let id = plan.cell;
        let no = |refusal, what: &str| (refusal, what.to_owned());
        let [control] = <[OwnedFd; 1]>::try_from(descriptors).map_err(|_| {
            no(Refusal::Plan, "a cell needs exactly one descriptor: its control socket")
        })?;
        if self.cell(id).is_some() {
            return Err(no(Refusal::Plan, "the cell id is in use"));
        }
        log(&format!("building cell {id} of profile {} for {}", plan.profile, plan.subject));
        let admitted = self.admit(plan)?;
        let users = self.users();
        let user = self.rootless.or_else(|| self.leases.next(&users));
        let user =
            user.ok_or_else(|| no(Refusal::Exhausted, "every uid of the lease range is in use"))?;
        let cgroup = self.cgroup(id, &admitted, user)?;
        let rootless = self.rootless.is_some();
        let built = Cell::build(Material { admitted, control, cgroup, user, rootless });
        let mut cell = built.map_err(|errno| {
            (Refusal::System, format!("cannot make the cell's namespaces: {errno}"))
        })?;
        let event = cell.adopt();
        self.cells.push(cell);
        Ok(event)
    }

    fn admit(&self, plan: CellPlan) -> Result<Admitted, Refused> {
        let (ceiling, _) = cofferdam_ceiling::load(&self.ceiling, geteuid().as_raw())
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
        user: Ids,
    ) -> Result<Result<CellCgroup, String>, Refused> {
        let made = self.hierarchy.as_ref().map_err(String::clone).and_then(|hierarchy| {
            let made = hierarchy.cell(id, &admitted.plan().limits, user);
            made.map_err(|error| format!("cannot make the cell's cgroup: {error}"))
        });
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
        self.cells.iter_mut().for_each(Cell::kill);
        while !self.cells.is_empty() && Instant::now() < deadline {
            _ = self.look_after_cells();
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// One line to the journal of the service manager.
fn log(line: &str) {
    eprintln!("cofferdam-warden: {line}");
}
