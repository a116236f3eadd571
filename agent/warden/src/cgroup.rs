//! The cgroups of cells and runs: made and limited by root, read by the agent.
//!
//! Three layouts are found out at start: v2 only, v1 only, and v1 beside an
//! empty v2 tree. Every cell gets `<name>/<cell>` in each hierarchy, where the
//! name is that of a unit or `cofferdam-<pid>` at the root, with a leaf
//! `run-<number>` for each run, so that one relative path names it everywhere.
//! Where nothing can be made (an ordinary user without delegation), cells run
//! without, and say so.
//!
//! The directories are also all that is kept of cells: a warden that is started
//! under the same name finds those of the one before it here.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cofferdam_plan::{CellId, Limits};
use rustix::fs::{CWD, Mode, OFlags, chown, openat, statfs};
use rustix::process::{DumpableBehavior, Gid, Pid, PidfdFlags, Uid};
use rustix::process::{geteuid, pidfd_open, set_dumpable_behavior};
use rustix::thread::set_thread_res_uid;

use crate::lease::Ids;

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
/// What ends a leaf.
const ENDING: [(&str, &str); 2] = [("pids.max", "0"), ("cgroup.kill", "1")];
/// Leaves of one cell at the same time.
const MOST_LEAVES: u64 = 512;

/// This warden's place in the hierarchies.
#[derive(Debug)]
pub(crate) struct Hierarchy {
    /// Whether the host has cgroup v2 only.
    v2: bool,
    /// Relative to each hierarchy's mount.
    name: PathBuf,
    /// The directory of that name in each hierarchy.
    directories: Vec<PathBuf>,
}

/// One cell's cgroup.
#[derive(Debug)]
pub(crate) struct CellCgroup {
    /// Relative to each hierarchy's mount; what the agent reads usage by.
    pub(crate) relative: String,
    v2: bool,
    directories: Vec<PathBuf>,
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
    /// Finds the layout, clears what dead wardens without a name left, and makes
    /// the directories of this `name`.
    pub(crate) fn prepare(name: &Path) -> io::Result<Self> {
        let v2 = statfs(MOUNT).is_ok_and(|info| info.f_type.cast_unsigned() == V2_MAGIC);
        let controllers: &[&str] = if v2 { &[""] } else { &V1_CONTROLLERS };
        let mut roots: Vec<_> = controllers.iter().map(|it| Path::new(MOUNT).join(it)).collect();
        if roots.get(RUN_CONTROLLERS).is_some_and(|optional| !optional.exists()) {
            roots.truncate(RUN_CONTROLLERS);
        }
        roots.iter().map(PathBuf::as_path).for_each(sweep);
        let directories = roots.iter().map(|root| root.join(name)).collect();
        let hierarchy = Self { v2, name: name.to_owned(), directories };
        hierarchy.make().inspect_err(|_| hierarchy.remove())?;
        Ok(hierarchy)
    }

    fn make(&self) -> io::Result<()> {
        self.directories.iter().try_for_each(fs::create_dir_all)?;
        let own = self.directories.iter().map(PathBuf::as_path).filter(|_| self.v2);
        // In the slice above a unit its manager has done that, and rules alone.
        let root = own.clone().filter_map(Path::parent).filter(|it| *it == Path::new(MOUNT));
        root.chain(own).try_for_each(hand_down)
    }

    /// What a warden before this one left beneath the same name, and whose it is.
    pub(crate) fn left(&self) -> impl Iterator<Item = (CellId, CellCgroup, u32)> {
        fs::read_dir(&self.directories[0]).into_iter().flatten().flatten().filter_map(|entry| {
            let id = CellId::named(entry.file_name().to_str()?)?;
            let mut cgroup = self.place(id);
            // Not every cell is in the last hierarchy.
            cgroup.directories.retain(|it| it.exists());
            let user = entry.metadata().ok()?.gid();
            Some((id, cgroup, user))
        })
    }

    fn place(&self, cell: CellId) -> CellCgroup {
        let name = self.name.join(cell.to_string());
        CellCgroup {
            relative: name.display().to_string(),
            v2: self.v2,
            directories: self.directories.iter().map(|it| it.join(cell.to_string())).collect(),
            entry: Entry::Join(Vec::new()),
            lacking: Vec::new(),
        }
    }

    /// Makes a cell's cgroup with its limits; `user` may move runs into leaves.
    pub(crate) fn cell(&self, cell: CellId, limits: &Limits, user: Ids) -> io::Result<CellCgroup> {
        let mut made = self.place(cell);
        if limits.io_bytes == 0 {
            made.directories.truncate(RUN_CONTROLLERS);
        }
        let filled = made.fill(limits, user);
        filled.inspect_err(|_| _ = made.remove())?;
        Ok(made)
    }

    /// Removes this warden's directories; the cells' are gone by then.
    pub(crate) fn remove(&self) {
        // What cannot be removed is swept by the next warden.
        self.directories.iter().for_each(|directory| _ = fs::remove_dir(directory));
    }
}

impl CellCgroup {
    fn fill(&mut self, limits: &Limits, user: Ids) -> io::Result<()> {
        self.directories.iter().try_for_each(fs::create_dir)?;
        // Its group may do no more than others: it says to the next warden whose the cell
        // is, also where none of its processes can.
        chown(&self.directories[0], None, Some(Gid::from_raw(user.gid)))?;
        self.lacking = limit(self.v2, &self.directories, limits)?;
        self.entry = if self.v2 {
            let cell = &self.directories[0];
            hand_down(cell)?;
            give(cell, "cgroup.procs", user)?;
            let init = cell.join(INIT);
            fs::create_dir(&init)?;
            Entry::Clone(open(init, OFlags::DIRECTORY)?)
        } else {
            Entry::Join(open_tasks(&self.directories)?)
        };
        Ok(())
    }

    /// The same without the way in, which is used once.
    pub(crate) fn entered(self) -> Self {
        Self { entry: Entry::Join(Vec::new()), ..self }
    }

    /// Its PID 1 and the user that it runs under: of those in no run's leaf, the one that
    /// its namespace calls 1. Its number is its own as long as the list has it.
    pub(crate) fn first(&self) -> Option<(OwnedFd, u32)> {
        let file = if self.v2 { "init/cgroup.procs" } else { "cgroup.procs" };
        let file = self.directories.first()?.join(file);
        let processes = || fs::read_to_string(&file).unwrap_or_default();
        processes().lines().find_map(|number| {
            let process = pidfd_open(Pid::from_raw(number.parse().ok()?)?, PidfdFlags::empty());
            let status = fs::read_to_string(format!("/proc/{number}/status")).ok()?;
            let last = |field| status.split_once(field)?.1.lines().next()?.split('\t').next_back();
            let is_first = last("\nNSpid:")? == "1" && processes().lines().any(|it| it == number);
            is_first.then_some((process.ok()?, last("\nUid:")?.parse().ok()?))
        })
    }

    /// Makes the leaf of one run, and opens what PID 1 starts a run there by.
    pub(crate) fn make_leaf(
        &self,
        number: u32,
        limits: &Limits,
        user: Ids,
    ) -> io::Result<Vec<OwnedFd>> {
        // A directory of cgroups has a link for each one in it, and two of its own.
        let links = fs::metadata(&self.directories[0])?.nlink();
        if links >= 2 + u64::from(self.v2) + MOST_LEAVES {
            return Err(io::Error::other(format!("the cell has {MOST_LEAVES} already")));
        }
        let made = self.fill_leaf(&self.leaf(number), limits, user);
        made.inspect_err(|_| _ = self.remove_leaf(number, false))
    }

    fn fill_leaf(
        &self,
        directories: &[PathBuf],
        limits: &Limits,
        user: Ids,
    ) -> io::Result<Vec<OwnedFd>> {
        directories.iter().try_for_each(fs::create_dir)?;
        limit(self.v2, directories, limits)?;
        if !self.v2 {
            directories.iter().try_for_each(|it| give(it, "tasks", user))?;
            return open_tasks_as(user.uid, directories);
        }
        // A kernel before 4.19 has no such file: then PID 1 ends the rest.
        _ = fs::write(directories[0].join("memory.oom.group"), "1");
        give(&directories[0], "cgroup.procs", user)?;
        Ok(vec![open(directories[0].clone(), OFlags::DIRECTORY)?])
    }

    /// Removes a leaf; false while something lives in it, as the kernel says and not
    /// a list of processes. To `end` it means that nothing forks there any more, and
    /// that the kernel kills what is there if it can (v2).
    pub(crate) fn remove_leaf(&self, number: u32, end: bool) -> bool {
        let leaf = self.leaf(number);
        let removed = leaf.iter().filter(|leaf| fs::remove_dir(leaf).is_ok()).count();
        let gone = removed == leaf.len() || !leaf.iter().any(|leaf| leaf.exists());
        if end && !gone {
            // Each hierarchy has those of them that it has.
            for (leaf, (file, value)) in leaf.iter().flat_map(|leaf| ENDING.map(|it| (leaf, it))) {
                _ = fs::write(leaf.join(file), value);
            }
        }
        gone
    }

    fn leaf(&self, number: u32) -> Vec<PathBuf> {
        let leaf = format!("run-{number}");
        self.directories.iter().take(RUN_CONTROLLERS).map(|cell| cell.join(&leaf)).collect()
    }

    /// Removes the directories, that by which it is found again last; false when the
    /// kernel still holds one (EBUSY shortly after the last process was reaped).
    pub(crate) fn remove(&self) -> bool {
        self.directories.iter().rev().filter(|directory| !remove_tree(directory)).count() == 0
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

/// Opens the `tasks` of a run's leaf as the user of its cell. On v1 the kernel asks who
/// opened one and not who writes (`cgroup1_procs_write`): in whosever hands it comes, it
/// moves no process of anybody else's.
fn open_tasks_as(user: u32, directories: &[PathBuf]) -> io::Result<Vec<OwnedFd>> {
    let own = geteuid();
    set_thread_res_uid(None, Uid::from_raw(user), None)?;
    let opened = open_tasks(directories);
    // The change makes a process undumpable, and its children's namespaces its own no more.
    set_thread_res_uid(None, own, None)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::Dumpable))
        .unwrap_or_else(|_| crate::sys::exit_now(1));
    opened
}

/// Gives a list of processes to a user. Whose processes may be moved from one leaf to
/// another: he must own the list of their common parent and that of the target
/// (cgroup-v2.rst, «Delegation»).
fn give(directory: &Path, list: &str, Ids { uid, gid }: Ids) -> io::Result<()> {
    Ok(chown(directory.join(list), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

/// Writes the limits and says which of them this host does not keep.
fn limit(v2: bool, directories: &[PathBuf], limits: &Limits) -> io::Result<Vec<&'static str>> {
    let mut lacking = Vec::new();
    for (asked, controller, file, value, optional) in settings(v2, limits) {
        let written = match directories.get(controller).filter(|_| asked > 0) {
            Some(directory) => fs::write(directory.join(file), value),
            None if asked == 0 => continue,
            None => Err(io::ErrorKind::NotFound.into()),
        };
        match optional {
            Some(name) if written.is_err() => lacking.push(name),
            _ => written?,
        }
    }
    lacking.dedup();
    Ok(lacking)
}

/// One file of a controller: the limit that it comes from (0: not limited),
/// the controller's place, the file, what is written to it, and what to call it
/// where a host without it is bearable.
type Setting = (u64, usize, &'static str, String, Option<&'static str>);

const PERIOD_MICROS: u64 = 100_000;

/// Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; on v1 in the order
/// of [`V1_CONTROLLERS`].
fn settings(v2: bool, limits: &Limits) -> Vec<Setting> {
    let Limits { memory_bytes: memory, swap_bytes, io_bytes: io, .. } = *limits;
    let (processes, cpu) = (u64::from(limits.processes), u64::from(limits.cpu_millis));
    let (weight, (major, minor)) = (u64::from(limits.cpu_weight), limits.io_device);
    let quota = cpu * PERIOD_MICROS / 1000;
    let (swap, share, disk) = (Some("swap"), Some("cpu weight"), Some("io"));
    if v2 {
        return vec![
            (memory, 0, "memory.max", memory.to_string(), None),
            (memory, 0, "memory.swap.max", swap_bytes.to_string(), swap),
            (processes, 0, "pids.max", processes.to_string(), None),
            (cpu, 0, "cpu.max", format!("{quota} {PERIOD_MICROS}"), None),
            (weight, 0, "cpu.weight", weight.to_string(), share),
            (io, 0, "io.max", format!("{major}:{minor} rbps={io} wbps={io}"), disk),
        ];
    }
    let with_swap = memory.saturating_add(swap_bytes).to_string();
    let throttle = format!("{major}:{minor} {io}");
    vec![
        (memory, 0, "memory.limit_in_bytes", memory.to_string(), None),
        (memory, 0, "memory.memsw.limit_in_bytes", with_swap, swap),
        (processes, 1, "pids.max", processes.to_string(), None),
        (cpu, 2, "cpu.cfs_period_us", PERIOD_MICROS.to_string(), None),
        (cpu, 2, "cpu.cfs_quota_us", quota.to_string(), None),
        (weight, 2, "cpu.shares", (weight * 1024 / 100).to_string(), share),
        (io, 3, "blkio.throttle.read_bps_device", throttle.clone(), disk),
        (io, 3, "blkio.throttle.write_bps_device", throttle, disk),
    ]
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
