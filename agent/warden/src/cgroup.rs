//! The cgroups of cells and runs: made and limited by root, read by the agent.
//!
//! Three layouts are found out at start: v2 only, v1 only, and v1 beside an
//! empty v2 tree. Every cell gets `cofferdam-<pid>/<cell>` in each hierarchy,
//! with a leaf `run-<number>` for each run, so that one relative path names it
//! everywhere. Where nothing can be made (an ordinary user without
//! delegation), cells run without, and say so.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cofferdam_plan::{CellId, Limits};
use rustix::fs::{CWD, Mode, OFlags, chown, openat, statfs};
use rustix::process::{Gid, Uid};

const MOUNT: &str = "/sys/fs/cgroup";
/// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const V2_MAGIC: u64 = 0x6367_7270;
/// The v1 controllers that hold limits of ours; runs have leaves in all but the
/// last, which a host may lack.
const V1_CONTROLLERS: [&str; 4] = ["memory", "pids", "cpu", "blkio"];
const RUN_CONTROLLERS: usize = 3;
const PREFIX: &str = "cofferdam-";
/// Where PID 1 sits on v2: a cgroup that hands controllers down holds no
/// process itself.
const INIT: &str = "init";
/// Leaves of one cell at the same time.
const MOST_LEAVES: usize = 512;

/// What this host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    layout: Layout,
    directories: Vec<PathBuf>,
    leaves: usize,
    /// How its first process gets in.
    pub(crate) entry: Entry,
    /// Limits that this host does not keep.
    pub(crate) lacking: Vec<&'static str>,
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
        let mut roots: Vec<PathBuf> = match layout {
            Layout::V2 => vec![MOUNT.into()],
            Layout::V1 => V1_CONTROLLERS.iter().map(|name| Path::new(MOUNT).join(name)).collect(),
        };
        if roots.get(RUN_CONTROLLERS).is_some_and(|optional| !optional.exists()) {
            roots.truncate(RUN_CONTROLLERS);
        }
        roots.iter().for_each(|root| sweep(root));
        let directories: Vec<_> = roots.iter().map(|root| root.join(&name)).collect();
        let hierarchy = Self { layout, name, directories };
        hierarchy.make().inspect_err(|_| hierarchy.remove())?;
        Ok(hierarchy)
    }

    fn make(&self) -> io::Result<()> {
        for directory in &self.directories {
            fs::create_dir(directory)?;
            if self.layout == Layout::V2 {
                hand_down(Path::new(MOUNT))?;
                hand_down(directory)?;
            }
        }
        Ok(())
    }

    /// Makes a cell's cgroup with its limits; `user` may move runs into leaves.
    pub(crate) fn cell(&self, cell: CellId, limits: &Limits, user: u32) -> io::Result<CellCgroup> {
        let mut directories: Vec<_> =
            self.directories.iter().map(|parent| parent.join(cell.to_string())).collect();
        if limits.io_bytes == 0 {
            directories.truncate(RUN_CONTROLLERS);
        }
        let mut made = CellCgroup {
            relative: format!("{}/{cell}", self.name),
            layout: self.layout,
            directories,
            leaves: 0,
            entry: Entry::Join(Vec::new()),
            lacking: Vec::new(),
        };
        match made.fill(limits, user) {
            Ok(()) => Ok(made),
            Err(error) => {
                made.remove();
                Err(error)
            }
        }
    }

    /// Removes this warden's directories; the cells' are gone by then.
    pub(crate) fn remove(&self) {
        // What cannot be removed is swept by the next warden.
        self.directories.iter().for_each(|directory| _ = fs::remove_dir(directory));
    }
}

impl CellCgroup {
    fn fill(&mut self, limits: &Limits, user: u32) -> io::Result<()> {
        self.directories.iter().try_for_each(fs::create_dir)?;
        self.lacking = limit(self.layout, &self.directories, limits)?;
        self.entry = match self.layout {
            Layout::V2 => {
                let cell = &self.directories[0];
                hand_down(cell)?;
                give_processes(cell, user)?;
                let init = cell.join(INIT);
                fs::create_dir(&init)?;
                Entry::Clone(open(init, OFlags::DIRECTORY)?)
            }
            Layout::V1 => Entry::Join(open_tasks(&self.directories)?),
        };
        Ok(())
    }

    /// Makes the leaf of one run, and opens what PID 1 starts a run there by.
    pub(crate) fn make_leaf(
        &mut self,
        number: u32,
        limits: &Limits,
        user: u32,
    ) -> io::Result<Vec<OwnedFd>> {
        if self.leaves >= MOST_LEAVES {
            return Err(io::Error::other(format!("the cell has {MOST_LEAVES} already")));
        }
        let directories = self.leaf(number);
        directories.iter().try_for_each(fs::create_dir)?;
        self.leaves += 1;
        limit(self.layout, &directories, limits)?;
        Ok(match self.layout {
            Layout::V2 => {
                // A kernel before 4.19 has no such file: then PID 1 ends the rest.
                _ = fs::write(directories[0].join("memory.oom.group"), "1");
                give_processes(&directories[0], user)?;
                vec![open(directories[0].clone(), OFlags::DIRECTORY)?]
            }
            Layout::V1 => open_tasks(&directories)?,
        })
    }

    /// Removes a leaf; one that is in use stays until the cell goes.
    pub(crate) fn remove_leaf(&mut self, number: u32) {
        if self.leaf(number).iter().fold(true, |gone, leaf| fs::remove_dir(leaf).is_ok() && gone) {
            self.leaves = self.leaves.saturating_sub(1);
        }
    }

    fn leaf(&self, number: u32) -> Vec<PathBuf> {
        let leaf = format!("run-{number}");
        self.directories.iter().take(RUN_CONTROLLERS).map(|cell| cell.join(&leaf)).collect()
    }

    /// Removes the directories; false when the kernel still holds one (EBUSY
    /// shortly after the last process was reaped).
    pub(crate) fn remove(&self) -> bool {
        self.directories.iter().fold(true, |gone, directory| remove_tree(directory) && gone)
    }
}

fn open(path: PathBuf, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())?)
}

fn open_tasks(directories: &[PathBuf]) -> io::Result<Vec<OwnedFd>> {
    directories.iter().map(|directory| open(directory.join("tasks"), OFlags::WRONLY)).collect()
}

/// A controller is had below only where it is handed down from above. Only io
/// may be missing: hosts without it exist.
fn hand_down(directory: &Path) -> io::Result<()> {
    let control = directory.join("cgroup.subtree_control");
    fs::write(&control, "+memory +pids +cpu")?;
    _ = fs::write(&control, "+io");
    Ok(())
}

/// Whose processes may be moved from one leaf to another: he must own the list
/// of their common parent and that of the target (cgroup-v2.rst, «Delegation»).
fn give_processes(directory: &Path, user: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    Ok(chown(directory.join("cgroup.procs"), Some(uid), Some(gid))?)
}

/// Writes the limits and says which of them this host does not keep.
fn limit(
    layout: Layout,
    directories: &[PathBuf],
    limits: &Limits,
) -> io::Result<Vec<&'static str>> {
    let mut lacking = Vec::new();
    for Setting { asked: _, controller, file, value, optional } in
        settings(layout, limits).into_iter().filter(|setting| setting.asked > 0)
    {
        let written = match directories.get(controller) {
            Some(directory) => fs::write(directory.join(file), value),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        match (written, optional) {
            (Err(_), Some(name)) => lacking.push(name),
            (written, _) => written?,
        }
    }
    lacking.dedup();
    Ok(lacking)
}

/// One file of a controller.
struct Setting {
    /// The limit that it comes from; 0: not limited.
    asked: u64,
    controller: usize,
    file: &'static str,
    value: String,
    /// What to call it where a host without it is bearable.
    optional: Option<&'static str>,
}

const PERIOD_MICROS: u64 = 100_000;

/// Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; on v1 in the order
/// of [`V1_CONTROLLERS`].
fn settings(layout: Layout, limits: &Limits) -> Vec<Setting> {
    let Limits { memory_bytes, swap_bytes, io_bytes, io_device: (major, minor), .. } = *limits;
    let (processes, cpu) = (u64::from(limits.processes), u64::from(limits.cpu_millis));
    let weight = u64::from(limits.cpu_weight);
    let quota = cpu * PERIOD_MICROS / 1000;
    let set = |asked, controller, file, value: String, optional| Setting {
        asked,
        controller,
        file,
        value,
        optional,
    };
    let (swap, share, io) = (Some("swap"), Some("cpu weight"), Some("io"));
    match layout {
        Layout::V2 => vec![
            set(memory_bytes, 0, "memory.max", memory_bytes.to_string(), None),
            set(memory_bytes, 0, "memory.swap.max", swap_bytes.to_string(), swap),
            set(processes, 0, "pids.max", processes.to_string(), None),
            set(cpu, 0, "cpu.max", format!("{quota} {PERIOD_MICROS}"), None),
            set(weight, 0, "cpu.weight", weight.to_string(), share),
            set(
                io_bytes,
                0,
                "io.max",
                format!("{major}:{minor} rbps={io_bytes} wbps={io_bytes}"),
                io,
            ),
        ],
        Layout::V1 => {
            let with_swap = memory_bytes.saturating_add(swap_bytes).to_string();
            let throttle = format!("{major}:{minor} {io_bytes}");
            vec![
                set(memory_bytes, 0, "memory.limit_in_bytes", memory_bytes.to_string(), None),
                set(memory_bytes, 0, "memory.memsw.limit_in_bytes", with_swap, swap),
                set(processes, 1, "pids.max", processes.to_string(), None),
                set(cpu, 2, "cpu.cfs_period_us", PERIOD_MICROS.to_string(), None),
                set(cpu, 2, "cpu.cfs_quota_us", quota.to_string(), None),
                set(weight, 2, "cpu.shares", (weight * 1024 / 100).to_string(), share),
                set(io_bytes, 3, "blkio.throttle.read_bps_device", throttle.clone(), io),
                set(io_bytes, 3, "blkio.throttle.write_bps_device", throttle, io),
            ]
        }
    }
}

/// Removes the directories of wardens that are gone: named after a pid that
/// runs no more, or runs something else. Best effort: what is in use stays.
fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        if pid.parse::<u32>().is_ok_and(|pid| !is_warden(pid)) {
            remove_tree(&entry.path());
        }
    }
}

/// Removes a cgroup with those beneath it; true when nothing is left.
fn remove_tree(directory: &Path) -> bool {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    match fs::remove_dir(directory) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn is_warden(pid: u32) -> bool {
    pid != std::process::id()
        && fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|comm| comm.trim_end().starts_with("cofferdam-warde"))
}
