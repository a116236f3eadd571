//! What of cells this host has now, by the kernel's own account, and what of
//! Cofferdam's host side is on it.
//!
//! Asks no agent and no warden, so that it is right about what a killed one left.
//! Called by the owner's commands ([`crate::hand`]) and by a status without an agent.

mod installed;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub use installed::{Remain, installed, print};

/// Where cgroup v2 is, or the v1 hierarchy that every cell is in.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
/// Cells' cgroups are at the root, or in the unit of the warden.
const PLACES: [&str; 2] = ["", "system.slice/cofferdam-warden.service"];
/// What the warden calls its directory.
const PREFIX: &str = "cofferdam-";
/// Directories of one cell, at most: its leaves and what is beneath.
const DEEPEST: usize = 3;

/// The cgroups of cells, with how many processes each has.
#[must_use]
pub fn cells() -> Vec<(PathBuf, usize)> {
    let Some(mount) = MOUNTS.iter().map(Path::new).find(|mount| is_hierarchy(mount)) else {
        return Vec::new();
    };
    let wardens = PLACES.iter().flat_map(|place| directories(&mount.join(place)));
    let wardens = wardens.filter(|it| {
        let name = it.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix(PREFIX).is_some_and(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
    });
    let cells = wardens.flat_map(|warden| directories(&warden));
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
