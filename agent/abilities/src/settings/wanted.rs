//! The settings, as data. Source: `Documentation/admin-guide/sysctl` of the
//! kernel, and Yama's own page.

use std::path::PathBuf;

/// A setting and the least value that it should have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The ability's name.
    pub(super) name: &'static str,
    /// As sysctl(8) names it.
    pub(super) setting: &'static str,
    pub(super) least: i64,
    /// What the value means for cells.
    pub(super) held: &'static str,
    /// What a lower one leaves open.
    pub(super) open: &'static str,
    /// The first kernel with the setting.
    pub(super) since: &'static str,
}

impl Wanted {
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from("/proc/sys").join(self.setting.replace('.', "/"))
    }
}

pub(super) const WANTED: &[Wanted] = &[
    Wanted {
        name: "settings.ptrace",
        setting: "kernel.yama.ptrace_scope",
        least: 1,
        held: "processes of one user cannot trace each other outside of cells either",
        open: "rootless: a cell shares its user with your other processes; the PID namespace holds",
        since: "3.4",
    },
    Wanted {
        name: "settings.kernel-log",
        setting: "kernel.dmesg_restrict",
        least: 1,
        held: "the kernel's log is root's alone",
        open: "the kernel's log is anybody's on the host; in a cell the filter refuses it",
        since: "2.6",
    },
    Wanted {
        name: "settings.kernel-pointers",
        setting: "kernel.kptr_restrict",
        least: 1,
        held: "kernel addresses are hidden",
        open: "kernel addresses are anybody's on the host; in a cell the files are masked",
        since: "2.6",
    },
    Wanted {
        name: "settings.bpf",
        setting: "kernel.unprivileged_bpf_disabled",
        least: 1,
        held: "ordinary users load no BPF",
        open: "ordinary users may load BPF; in a cell the filter refuses it",
        since: "4.4",
    },
    Wanted {
        name: "settings.lowest-address",
        setting: "vm.mmap_min_addr",
        least: 65_536,
        held: "null pointers of the kernel cannot be mapped",
        open: "a null pointer bug of the kernel is easier to use from a cell",
        since: "2.6",
    },
    Wanted {
        name: "settings.randomised",
        setting: "kernel.randomize_va_space",
        least: 2,
        held: "addresses of each process are random",
        open: "addresses of processes, a cell's among them, can be guessed",
        since: "2.6",
    },
    Wanted {
        name: "settings.hard-links",
        setting: "fs.protected_hardlinks",
        least: 1,
        held: "a file of another owner cannot be linked into a workspace",
        open: "other users of the host can link files into a workspace that they can write",
        since: "3.6",
    },
    Wanted {
        name: "settings.symbolic-links",
        setting: "fs.protected_symlinks",
        least: 1,
        held: "links in sticky directories are followed by their owner only",
        open: "links in sticky directories such as /tmp can mislead programs of the host",
        since: "3.6",
    },
    Wanted {
        name: "settings.pipes",
        setting: "fs.protected_fifos",
        least: 1,
        held: "pipes in sticky directories cannot mislead",
        open: "pipes in sticky directories such as /tmp can mislead programs of the host",
        since: "4.19",
    },
    Wanted {
        name: "settings.files",
        setting: "fs.protected_regular",
        least: 1,
        held: "files in sticky directories cannot mislead",
        open: "files in sticky directories such as /tmp can mislead programs of the host",
        since: "4.19",
    },
];
