//! The cgroup leaf of a run, as PID 1 holds it: root made it, opened
//! the way into it, and handed that over.

use std::fs::DirEntry;
use std::os::fd::OwnedFd;

use cofferdam_plan::GivenLeaf;
use cofferdam_plan::channel::{self, ChannelError};
use rustix::process::{Pid, Signal, kill_process};

use crate::sys;

/// The leaves that were given and not yet used.
pub(crate) struct Leaves {
    /// Where the warden gives them. Never waited on.
    socket: OwnedFd,
    given: Vec<Leaf>,
}

/// One leaf.
pub(crate) struct Leaf {
    number: u32,
    /// How a run gets in.
    pub(crate) entry: Entry,
}

/// How a run gets into its leaf.
pub(crate) enum Entry {
    /// clone3(2) starts it there (cgroup v2).
    Clone(OwnedFd),
    /// It writes itself into each of these `tasks` files (cgroup v1).
    Join(Vec<OwnedFd>),
}

impl Leaves {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, given: Vec::new() }
    }

    /// The leaf of this number; `None` when the warden did not give it.
    pub(crate) fn take(&mut self, number: u32) -> Option<Leaf> {
        while !self.given.iter().any(|leaf| leaf.number == number) {
            match channel::receive::<GivenLeaf>(&self.socket) {
                Ok((GivenLeaf(given), descriptors)) => {
                    self.given.extend(Leaf::of(given, descriptors));
                }
                Err(ChannelError::Decode(_)) => {}
                Err(_) => return None,
            }
        }
        let index = self.given.iter().position(|leaf| leaf.number == number)?;
        Some(self.given.swap_remove(index))
    }
}

impl Leaf {
    fn of(number: u32, mut descriptors: Vec<OwnedFd>) -> Option<Self> {
        let entry = match descriptors.len() {
            0 => return None,
            1 => Entry::Clone(descriptors.pop()?),
            _ => Entry::Join(descriptors),
        };
        Some(Self { number, entry })
    }

    /// SIGKILL to every process in it; false when there is none, not even one
    /// that is dead and not yet reaped.
    ///
    /// A process that forks while it is being killed leaves a child for the
    /// next call.
    pub(crate) fn kill(&self) -> bool {
        // The usual end: nobody is left, and /proc need not be asked.
        let processes = if sys::is_alone() { Vec::new() } else { self.processes() };
        for process in &processes {
            // ESRCH: it has ended meanwhile.
            _ = kill_process(*process, Signal::KILL);
        }
        !processes.is_empty()
    }

    /// Asked of /proc, which shows this PID namespace and where in the cell's
    /// cgroup each process is: on cgroup v1 a `cgroup.procs` that stays open
    /// gives an old list, and Landlock lets nothing of cgroupfs be opened here.
    fn processes(&self) -> Vec<Pid> {
        let leaf = format!("/run-{}", self.number);
        let is_here = |entry: &DirEntry| {
            std::fs::read_to_string(entry.path().join("cgroup"))
                .is_ok_and(|text| text.lines().any(|line| line.ends_with(&leaf)))
        };
        let number = |entry: &DirEntry| entry.file_name().to_str()?.parse().ok();
        std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| number(&entry).filter(|_| is_here(&entry)))
            .filter_map(Pid::from_raw)
            .collect()
    }
}
