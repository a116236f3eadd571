//! What of cells this host has now, by the kernel's own account, and what of
//! Cofferdam's host side is on it.
//!
//! Asks no agent and no warden, so that it is right about what a killed one left.
//! Called by the owner's commands ([`crate::hand`]) and by a status without an agent.

mod installed;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_plan::CellId;

pub use installed::{Remain, installed, print};

/// Where cgroup v2 is, or the v1 hierarchy that every cell is in.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
/// The unit that cells are in.
const UNIT: &str = "system.slice/cofferdam-cells.service";
/// What a warden calls a directory of its own, at the root.
const PREFIX: &str = "cofferdam-";
/// Directories of one cell, at most: its leaves and what is beneath.
const DEEPEST: usize = 3;

/// The cgroups of cells, with how many processes each has.
#[must_use]
pub fn cells() -> Vec<(PathBuf, usize)> {
    let Some(mount) = MOUNTS.iter().map(Path::new).find(|mount| is_hierarchy(mount)) else {
        return Vec::new();
    };
    let named = |it: &Path, is_so: &dyn Fn(&str) -> bool| {
        it.file_name().and_then(|name| name.to_str()).is_some_and(is_so)
    };
    let wardens = directories(mount).filter(|it| {
        named(it, &|name| {
            let pid = name.strip_prefix(PREFIX);
            pid.is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
        })
    });
    let cells = wardens.chain([mount.join(UNIT)]).flat_map(|place| directories(&place));
    let cells = cells.filter(|it| named(it, &|name| CellId::named(name).is_some()));
    cells.map(|cell| (cell.clone(), processes(&cell, DEEPEST))).collect()
}

/// Processes of uids that only cells have.
#[must_use]
pub fn processes_of_cells() -> Vec<u32> {
    let processes = directories(Path::new("/proc")).filter_map(|process| {
        let pid = process.file_name()?.to_str()?.parse().ok()?;
        let uid = process.metadata().ok()?.uid();
        crate::doctor::LEASES.contains(&u64::from(uid)).then_some(pid)
    });
    processes.collect()
}

fn is_hierarchy(mount: &Path) -> bool {
    mount.join("cgroup.procs").exists()
}

fn directories(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir())).map(|it| it.path())
}

fn processes(cgroup: &Path, depth: usize) -> usize {
    let own = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default().lines().count();
    let below =
        if depth == 0 { 0 } else { directories(cgroup).map(|it| processes(&it, depth - 1)).sum() };
    own + below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_of_no_cell() {
        assert!(!processes_of_cells().contains(&std::process::id()));
    }
}
