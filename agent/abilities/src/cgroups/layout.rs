//! Where control group trees are mounted, and which controller is in which.

use std::path::Path;

use serde::Serialize;

use crate::mount_table::Mount;

/// Which trees a host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Version 2 alone.
    V2,
    /// Version 1 alone.
    V1,
    /// Version 1 for limits, and a version 2 tree beside it.
    Hybrid,
    /// None.
    None,
}

/// The controllers that cells use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    /// Memory and swap.
    Memory,
    /// Tasks.
    Pids,
    /// Processor time.
    Cpu,
    /// Disk bandwidth; `blkio` in version 1.
    Io,
}

impl Layout {
    pub(super) fn of(mounts: &[Mount]) -> Self {
        let has = |kind: &str| mounts.iter().any(|mount| mount.kind == kind);
        match (has("cgroup2"), mounts.iter().any(holds_limits)) {
            (true, false) => Self::V2,
            (false, true) => Self::V1,
            (true, true) => Self::Hybrid,
            (false, false) => Self::None,
        }
    }
}

/// A v1 tree with a controller, unlike systemd's own that only names groups.
fn holds_limits(mount: &Mount) -> bool {
    mount.kind == "cgroup" && !mount.options.iter().any(|option| option.starts_with("name="))
}

/// Where the v2 tree is.
pub(super) fn unified(mounts: &[Mount]) -> Option<&Path> {
    mounts.iter().find(|mount| mount.kind == "cgroup2").map(|mount| mount.point.as_path())
}

/// A process's place in the v2 tree, without the first slash, from the text of
/// its `/proc/…/cgroup` (cgroups(7)).
pub(super) fn unified_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

impl Controller {
    pub(super) const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Io];

    /// The version of the tree that has it; `listed` is the v2 root's
    /// `cgroup.controllers`.
    pub(super) fn find(self, mounts: &[Mount], listed: &str) -> Option<u8> {
        let (v1, v2) = match self {
            Self::Memory => ("memory", "memory"),
            Self::Pids => ("pids", "pids"),
            Self::Cpu => ("cpu", "cpu"),
            Self::Io => ("blkio", "io"),
        };
        if listed.split_whitespace().any(|name| name == v2) {
            return Some(2);
        }
        mounts.iter().any(|mount| holds_limits(mount) && mount.has(v1)).then_some(1)
    }

    pub(super) fn ability(self) -> &'static str {
        match self {
            Self::Memory => "cgroup.memory",
            Self::Pids => "cgroup.pids",
            Self::Cpu => "cgroup.cpu",
            Self::Io => "cgroup.io",
        }
    }

    pub(super) fn held(self) -> &'static str {
        match self {
            Self::Memory => "memory and swap of a cell are limited, and the whole run ends beyond",
            Self::Pids => "a fork bomb stops at the cell's limit",
            Self::Cpu => "a spinning run gets no more than its share",
            Self::Io => "disk bandwidth can be shared out",
        }
    }

    pub(super) fn open(self) -> &'static str {
        match self {
            Self::Memory => "memory cannot be limited: no cell starts, unless degraded ones may",
            Self::Pids => "processes cannot be counted: no cell starts, unless degraded ones may",
            Self::Cpu => {
                "processor time cannot be limited: no cell starts, unless degraded ones may"
            }
            Self::Io => "a run can use all of the disk's bandwidth",
        }
    }

    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Memory => {
                "boot with cgroup_enable=memory swapaccount=1, on a kernel with CONFIG_MEMCG=y"
            }
            Self::Pids => "boot a kernel with CONFIG_CGROUP_PIDS=y",
            Self::Cpu => "boot a kernel with CONFIG_CFS_BANDWIDTH=y",
            Self::Io => "boot a kernel with CONFIG_BLK_CGROUP=y",
        }
    }
}
