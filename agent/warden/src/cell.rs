//! One cell as the warden sees it, from the clone of its builder to the removal
//! of its cgroup.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use cofferdam_plan::{CellId, GivenLeaf, Limits, WardenEvent, channel};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::builder::{self, Material};
use crate::cgroup::{CellCgroup, Entry};
use crate::lease::Ids;
use crate::sys;

/// How long a builder may take: it opens paths on file systems that may hang.
const BUILD_TIME: Duration = Duration::from_secs(10);
/// How long a cell may be without an agent: as long as one may take to start again.
const ORPHAN_TIME: Duration = Duration::from_mins(5);

/// Two ends: the warden's, and the cell's.
type Pair = (OwnedFd, OwnedFd);

/// A cell, built or being built.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) id: CellId,
    descriptor: OwnedFd,
    /// Open until the builder is done.
    building: Option<OwnedFd>,
    /// When it is ended: a builder that takes too long, a cell that nobody adopts.
    deadline: Option<Instant>,
    cgroup: Option<CellCgroup>,
    /// Leads to its PID 1. Never waited on: a cell may be stopped or hostile.
    leaves: OwnedFd,
    user: Ids,
    /// One of its sources was readable.
    pub(crate) stirred: bool,
    /// The processes are reaped; only the cgroup is left to remove.
    reaped: bool,
}

impl Cell {
    /// Clones the builder. The cell itself tells the agent how that went.
    pub(crate) fn build(material: Material) -> rustix::io::Result<Self> {
        let begun = Self::begin(&material);
        let (cloned, (building, built), (leaves, given)) = begun.inspect_err(|_| {
            material.cgroup.iter().for_each(|cgroup| _ = cgroup.remove());
        })?;
        let Some((_, descriptor)) = cloned else { builder::enter(material, built, given) };
        Ok(Self {
            id: material.admitted.plan().cell,
            descriptor,
            building: Some(building),
            deadline: Some(Instant::now() + BUILD_TIME),
            leaves,
            user: material.user,
            cgroup: material.cgroup.ok().map(CellCgroup::entered),
            stirred: true,
            reaped: false,
        })
    }

    /// Clones the builder, with a pipe and a pair of sockets to it.
    fn begin(material: &Material) -> rustix::io::Result<(Option<sys::Child>, Pair, Pair)> {
        let built = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let leaves = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let into = match material.cgroup.as_ref().map(|cgroup| &cgroup.entry) {
            Ok(Entry::Clone(directory)) => Some(directory),
            Ok(Entry::Join(_)) | Err(_) => None,
        };
        let namespaces = builder::namespaces(material.admitted.plan(), material.rootless);
        Ok((sys::clone(namespaces, into)?, built, leaves))
    }

    /// Makes a cgroup leaf and gives it to PID 1.
    pub(crate) fn make_leaf(&mut self, number: u32, limits: &Limits) -> Result<(), String> {
        let cgroup = self.cgroup.as_mut().ok_or("the cell has no cgroup")?;
        let given = cgroup
            .make_leaf(number, limits, self.user.uid)
            .map_err(|error| format!("cannot make the run's cgroup: {error}"))?;
        let given: Vec<_> = given.iter().map(AsFd::as_fd).collect();
        channel::send(&self.leaves, &GivenLeaf(number), &given).map_err(|error| {
            cgroup.remove_leaf(number, true);
            format!("the cell does not take it: {error}")
        })
    }

    /// Removes a cgroup leaf; false while something lives in it.
    pub(crate) fn remove_leaf(&mut self, number: u32, end: bool) -> bool {
        self.cgroup.as_mut().is_none_or(|cgroup| cgroup.remove_leaf(number, end))
    }

    /// What becomes readable when there is something to see: its first process
    /// has ended, its builder is done.
    pub(crate) fn sources(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let process = (!self.reaped).then(|| self.descriptor.as_fd());
        process.into_iter().chain(self.building.as_ref().map(AsFd::as_fd))
    }

    /// When this cell wants to be looked at again.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.reaped {
            return Some(Instant::now() + Duration::from_millis(5));
        }
        self.deadline
    }

    /// Its agent is gone: it ends when its control socket closes, or unless somebody
    /// [adopts](Self::adopt) it in time; one that was being built has no more than that.
    pub(crate) fn orphan(&mut self) {
        self.building = None;
        self.deadline.get_or_insert(Instant::now() + ORPHAN_TIME);
    }

    /// The agent knows of it.
    pub(crate) fn adopt(&mut self) -> WardenEvent {
        self.deadline = self.deadline.filter(|_| self.building.is_some());
        WardenEvent::Building {
            cell: self.id,
            uid: self.user.uid,
            cgroup: self.cgroup.as_ref().map_or("", |cgroup| &cgroup.relative).to_owned(),
        }
    }

    /// Notes that the builder is done; ends a cell that is late.
    pub(crate) fn keep_deadline(&mut self) {
        let built = |pipe: &OwnedFd| rustix::io::read(pipe, &mut [0_u8]) == Ok(0);
        if self.building.as_ref().is_some_and(built) {
            (self.building, self.deadline) = (None, None);
        }
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            (self.building, self.deadline) = (None, None);
            self.kill();
        }
    }

    /// SIGKILL to the cell's PID 1; the kernel ends the rest of its PID
    /// namespace with it.
    pub(crate) fn kill(&mut self) {
        self.stirred = true;
        // ESRCH: it has ended already.
        _ = pidfd_send_signal(&self.descriptor, Signal::KILL);
    }

    /// Reaps the first process if it has ended and removes the cgroup: its user
    /// when nothing is left. The kernel reports PID 1 of a namespace only after
    /// all others in it are gone.
    pub(crate) fn bury(&mut self) -> Option<Ids> {
        if !self.reaped && self.stirred {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let waited = waitid(WaitId::PidFd(self.descriptor.as_fd()), options);
            self.reaped = !matches!(waited, Ok(None));
        }
        let gone = self.reaped && self.cgroup.as_ref().is_none_or(CellCgroup::remove);
        gone.then_some(self.user)
    }
}
