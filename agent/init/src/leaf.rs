//! The cgroup leaf of a run, as PID 1 holds it: root made it and opened the way into
//! it, which came with the run.

use std::fs::DirEntry;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, kill_process};

use crate::sys;

/// One leaf.
pub(crate) struct Leaf(u32);

/// How a run gets into its leaf. Whatever else was given: the kernel lets PID 1 into
/// cgroups of its user alone.
pub(crate) enum Entry {
    /// clone3(2) starts it there (cgroup v2).
    Clone(OwnedFd),
    /// It writes itself into each of these `tasks` files (cgroup v1).
    Join(Vec<OwnedFd>),
}

impl Entry {
    /// Of the descriptors that came with a run; `None` where there is none.
    pub(crate) fn of(mut descriptors: Vec<OwnedFd>) -> Option<Self> {
        match descriptors.len() {
            0 => None,
            1 => descriptors.pop().map(Self::Clone),
            _ => Some(Self::Join(descriptors)),
        }
    }

    /// In the child, once it is in: closes all of it. A directory that is open here would
    /// lead who starts in `/proc/self/fd` out of the cell's view.
    pub(crate) fn close_in_child(&self) {
        match self {
            Self::Clone(directory) => sys::close_in_child(directory),
            Self::Join(tasks) => tasks.iter().for_each(sys::close_in_child),
        }
    }
}

impl Leaf {
    /// The leaf of this number.
    pub(crate) fn new(number: u32) -> Self {
        Self(number)
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
        let leaf = format!("/run-{}", self.0);
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
