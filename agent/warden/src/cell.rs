//! One cell as the warden sees it, from the clone of its builder to the removal
//! of its cgroup.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use cofferdam_plan::{CellId, Limits, WardenEvent};
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

/// A cell, built or being built.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) id: CellId,
    /// Its first one's pidfd, until that is reaped; then only the cgroup is left to remove.
    process: Option<OwnedFd>,
    /// Open until the builder is done.
    building: Option<OwnedFd>,
    /// When it is ended: a builder that takes too long, a cell that nobody adopts.
    deadline: Option<Instant>,
    cgroup: Option<CellCgroup>,
    pub(crate) user: Ids,
    /// One of its sources was readable.
    pub(crate) stirred: bool,
}

impl Cell {
    /// Clones the builder. The cell itself tells the agent how that went.
    pub(crate) fn build(material: Material) -> rustix::io::Result<Self> {
        let begun = Self::begin(&material);
        let (cloned, (building, built)) = begun.inspect_err(|_| {
            material.cgroup.iter().for_each(|cgroup| _ = cgroup.remove());
        })?;
        let Some((_, process)) = cloned else { builder::enter(material, built) };
        Ok(Self {
            id: material.admitted.plan().cell,
            process: Some(process),
            building: Some(building),
            deadline: Some(Instant::now() + BUILD_TIME),
            user: material.user,
            cgroup: material.cgroup.ok().map(CellCgroup::entered),
            stirred: true,
        })
    }

    /// One that a warden before this one built, without an agent so far.
    pub(crate) fn left(id: CellId, cgroup: CellCgroup, first: Option<OwnedFd>, user: Ids) -> Self {
        let (process, cgroup) = (first, Some(cgroup));
        Self { id, process, building: None, deadline: None, user, cgroup, stirred: false }
    }

    /// Clones the builder, with a pipe to it.
    fn begin(material: &Material) -> rustix::io::Result<(Option<sys::Child>, (OwnedFd, OwnedFd))> {
        let built = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let into = match material.cgroup.as_ref().map(|cgroup| &cgroup.entry) {
            Ok(Entry::Clone(directory)) => Some(directory),
            Ok(Entry::Join(_)) | Err(_) => None,
        };
        let namespaces = builder::namespaces(material.admitted.plan(), material.rootless);
        Ok((sys::clone(namespaces, into)?, built))
    }

    /// Makes a cgroup leaf; the ways into it.
    pub(crate) fn make_leaf(&self, number: u32, limits: &Limits) -> Result<Vec<OwnedFd>, String> {
        let cgroup = self.cgroup.as_ref().ok_or("the cell has no cgroup")?;
        let made = cgroup.make_leaf(number, limits, self.user);
        made.map_err(|error| format!("cannot make the run's cgroup: {error}"))
    }

    /// Removes a cgroup leaf; false while something lives in it.
    pub(crate) fn remove_leaf(&self, number: u32, end: bool) -> bool {
        self.cgroup.as_ref().is_none_or(|cgroup| cgroup.remove_leaf(number, end))
    }

    /// What becomes readable when there is something to see: its first process
    /// has ended, its builder is done.
    pub(crate) fn sources(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.process.iter().chain(&self.building).map(AsFd::as_fd)
    }

    /// When this cell wants to be looked at again.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.process.is_none() {
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
        self.process.iter().for_each(|process| _ = pidfd_send_signal(process, Signal::KILL));
    }

    /// Reaps the first process if it has ended and removes the cgroup; true when
    /// nothing is left. The kernel reports PID 1 of a namespace only after
    /// all others in it are gone. One that is another warden's child cannot be waited
    /// for; that its cgroup can be removed says the same.
    pub(crate) fn bury(&mut self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let lives = |it: &OwnedFd| matches!(waitid(WaitId::PidFd(it.as_fd()), options), Ok(None));
        if self.stirred && !self.process.as_ref().is_some_and(lives) {
            self.process = None;
        }
        self.process.is_none() && self.cgroup.as_ref().is_none_or(CellCgroup::remove)
    }
}
