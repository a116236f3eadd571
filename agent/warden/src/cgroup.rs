//! The cgroup of a cell: made and limited by root, read by the agent.
//!
//! Three layouts are found out at start: v2 only, v1 only, and v1 beside an
//! empty v2 tree. Every cell gets `cofferdam-<pid>/<cell>` in each hierarchy, so
//! that one relative path names it everywhere. Where nothing can be made (an
//! ordinary user without delegation), cells run without, and say so.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cofferdam_plan::{CellId, CellLimits};
use rustix::fs::{CWD, Mode, OFlags, openat, statfs};

const MOUNT: &str = "/sys/fs/cgroup";
/// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const V2_MAGIC: u64 = 0x6367_7270;
/// The v1 controllers that hold limits of ours.
const V1_CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
const PREFIX: &str = "cofferdam-";

/// What this host has.
#[derive(Debug)]
enum Layout {
    V2,
    V1,
}

/// This warden's place in the hierarchies.
#[derive(Debug)]
pub(crate) struct Hierarchy {
    layout: Layout,
    /// `cofferdam-<pid>`.
    name: String,
    /// The directory of that name in each hierarchy.
    directories: Vec<PathBuf>,
}

/// One cell's cgroup.
#[derive(Debug)]
pub(crate) struct CellCgroup {
    /// Relative to each hierarchy's mount; what the agent reads usage by.
    pub(crate) relative: String,
    directories: Vec<PathBuf>,
    /// How its first process gets in.
    pub(crate) entry: Entry,
}

/// How a cell's first process gets into its cgroup.
#[derive(Debug)]
pub(crate) enum Entry {
    /// clone3(2) starts it there.
    Clone(OwnedFd),
    /// It writes itself into each of these `tasks` files: cheap for the child,
    /// milliseconds for the parent.
    Join(Vec<OwnedFd>),
}

impl Hierarchy {
    /// Finds the layout, clears what dead wardens left, and makes this
    /// warden's directories.
    pub(crate) fn prepare() -> io::Result<Self> {
        let name = format!("{PREFIX}{}", std::process::id());
        let is_v2 = statfs(MOUNT).is_ok_and(|info| info.f_type.cast_unsigned() == V2_MAGIC);
        let layout = if is_v2 { Layout::V2 } else { Layout::V1 };
        let roots: Vec<PathBuf> = match layout {
            Layout::V2 => vec![MOUNT.into()],
            Layout::V1 => V1_CONTROLLERS.iter().map(|name| Path::new(MOUNT).join(name)).collect(),
        };
        for root in &roots {
            sweep(root);
        }
        let directories: Vec<_> = roots.iter().map(|root| root.join(&name)).collect();
        let hierarchy = Self { layout, name, directories };
        hierarchy.make().inspect_err(|_| hierarchy.remove())?;
        Ok(hierarchy)
    }

    fn make(&self) -> io::Result<()> {
        for directory in &self.directories {
            fs::create_dir(directory)?;
            // A controller is had below only where it is handed down from above.
            let above = matches!(self.layout, Layout::V2).then_some([Path::new(MOUNT), directory]);
            for place in above.iter().flatten() {
                fs::write(place.join("cgroup.subtree_control"), "+memory +pids +cpu")?;
            }
        }
        Ok(())
    }

    /// Makes a cell's cgroup with its limits.
    pub(crate) fn cell(&self, cell: CellId, limits: &CellLimits) -> io::Result<CellCgroup> {
        let directories: Vec<_> =
            self.directories.iter().map(|parent| parent.join(cell.to_string())).collect();
        let relative = format!("{}/{cell}", self.name);
        let made = CellCgroup { relative, directories, entry: Entry::Join(Vec::new()) };
        self.fill(made, limits)
    }

    fn fill(&self, mut made: CellCgroup, limits: &CellLimits) -> io::Result<CellCgroup> {
        let filled = made
            .directories
            .iter()
            .try_for_each(fs::create_dir)
            .and_then(|()| match self.layout {
                Layout::V2 => limit_v2(&made.directories[0], limits),
                Layout::V1 => limit_v1(&made.directories, limits),
            })
            .and_then(|()| self.entry(&made));
        match filled {
            Ok(entry) => {
                made.entry = entry;
                Ok(made)
            }
            Err(error) => {
                made.remove();
                Err(error)
            }
        }
    }

    fn entry(&self, made: &CellCgroup) -> io::Result<Entry> {
        let open = |path: PathBuf, flags| openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty());
        Ok(match self.layout {
            Layout::V2 => Entry::Clone(open(made.directories[0].clone(), OFlags::DIRECTORY)?),
            Layout::V1 => Entry::Join(
                made.directories
                    .iter()
                    .map(|directory| open(directory.join("tasks"), OFlags::WRONLY))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    /// Removes this warden's directories; the cells' are gone by then.
    pub(crate) fn remove(&self) {
        for directory in &self.directories {
            // What cannot be removed is swept by the next warden.
            _ = fs::remove_dir(directory);
        }
    }
}

impl CellCgroup {
    /// Removes the directories; false when the kernel still holds one (EBUSY
    /// shortly after the last process was reaped).
    pub(crate) fn remove(&self) -> bool {
        self.directories.iter().fold(true, |gone, directory| {
            let removed = match fs::remove_dir(directory) {
                Ok(()) => true,
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            };
            gone && removed
        })
    }
}

/// Writes the limits (Documentation/admin-guide/cgroup-v2.rst).
fn limit_v2(directory: &Path, limits: &CellLimits) -> io::Result<()> {
    let set = |file: &str, value: String| fs::write(directory.join(file), value);
    set("memory.max", limits.memory_bytes.to_string())?;
    optional(set("memory.swap.max", limits.swap_bytes.to_string()))?;
    set("pids.max", limits.processes.to_string())?;
    set("cpu.max", format!("{} {PERIOD_MICROS}", quota(limits)))
}

/// The same for v1 (Documentation/admin-guide/cgroup-v1/), in the order of
/// [`V1_CONTROLLERS`].
fn limit_v1(directories: &[PathBuf], limits: &CellLimits) -> io::Result<()> {
    let set = |index: usize, file: &str, value: u64| {
        fs::write(directories[index].join(file), value.to_string())
    };
    set(0, "memory.limit_in_bytes", limits.memory_bytes)?;
    let with_swap = limits.memory_bytes.saturating_add(limits.swap_bytes);
    optional(set(0, "memory.memsw.limit_in_bytes", with_swap))?;
    set(1, "pids.max", limits.processes.into())?;
    set(2, "cpu.cfs_period_us", PERIOD_MICROS)?;
    set(2, "cpu.cfs_quota_us", quota(limits))
}

const PERIOD_MICROS: u64 = 100_000;

fn quota(limits: &CellLimits) -> u64 {
    u64::from(limits.cpu_millis) * PERIOD_MICROS / 1000
}

/// A host without swap accounting has no file for it, and no swap to limit.
fn optional(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes the directories of wardens that are gone: named after a pid that
/// runs no more, or runs something else. Best effort: what is in use stays.
fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        if pid.parse::<u32>().is_ok_and(|pid| !is_warden(pid)) {
            for cell in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
                _ = fs::remove_dir(cell.path());
            }
            _ = fs::remove_dir(entry.path());
        }
    }
}

fn is_warden(pid: u32) -> bool {
    pid != std::process::id()
        && fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|comm| comm.trim_end().starts_with("cofferdam-warde"))
}
