//! What a run used, read from its cgroup leaf before that is removed.
//!
//! cgroups-rs finds out where this host keeps its memory controller: v2, v1, or
//! v1 beside an empty v2 tree. Without one there is what PID 1 saw of its
//! children.

mod now;

use std::fs;
use std::path::{Path, PathBuf};

use cgroups_rs::fs::{Controller, Subsystem, hierarchies};
use cofferdam_plan::RunEnding;

pub use now::Now;

/// Where cells are counted on this host.
#[derive(Debug, Clone)]
pub struct Counters {
    memory: Option<PathBuf>,
    processes: Option<PathBuf>,
    v2: bool,
}

/// What the cgroup of a run counted; 0 where nobody does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellUsage {
    /// The most bytes at one time.
    pub peak_memory_bytes: u64,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: u64,
    /// Processes and threads that were not made because there were too many.
    pub process_limit_hits: u64,
    /// Microseconds of user and system time of all that ran in it; cgroup v2
    /// only.
    pub cpu_micros: Option<(u64, u64)>,
    /// Bytes from disks; where there is an io controller (cgroup v2).
    pub read_bytes: u64,
    /// Bytes to disks.
    pub written_bytes: u64,
}

impl Counters {
    /// Finds the controllers' hierarchies.
    #[must_use]
    pub fn find() -> Self {
        let hierarchy = hierarchies::auto();
        let mut counters = Self { memory: None, processes: None, v2: hierarchy.v2() };
        for subsystem in hierarchy.subsystems() {
            match subsystem {
                Subsystem::Mem(controller) => counters.memory = Some(controller.path().to_owned()),
                Subsystem::Pid(controller) => {
                    counters.processes = Some(controller.path().to_owned());
                }
                _ => {}
            }
        }
        counters
    }

    /// The cgroup version, where there is a memory controller.
    #[must_use]
    pub fn version(&self) -> Option<u8> {
        self.memory.as_ref().map(|_| if self.v2 { 2 } else { 1 })
    }

    /// Whether the kernel kills one process of a run for want of memory and
    /// leaves the others: cgroup v1 knows no `memory.oom.group`.
    #[must_use]
    pub fn lets_some_die(&self) -> bool {
        self.memory.is_some() && !self.v2
    }

    /// The usage of the cgroup `relative`; empty: there is none.
    #[must_use]
    pub fn read(&self, relative: &str) -> CellUsage {
        let Some(memory) = self.memory.as_ref().filter(|_| !relative.is_empty()) else {
            return CellUsage::default();
        };
        let memory = memory.join(relative);
        let (peak, events) = if self.v2 {
            ("memory.peak", "memory.events")
        } else {
            ("memory.max_usage_in_bytes", "memory.oom_control")
        };
        let processes = self.processes.as_ref().map(|it| it.join(relative).join("pids.events"));
        let mut usage = CellUsage {
            peak_memory_bytes: number(&memory.join(peak)),
            oom_kills: keyed_number(&memory.join(events), "oom_kill"),
            process_limit_hits: processes.map_or(0, |file| keyed_number(&file, "max")),
            ..CellUsage::default()
        };
        if self.v2 {
            let cpu = |key| keyed_number(&memory.join("cpu.stat"), key);
            usage.cpu_micros = Some((cpu("user_usec"), cpu("system_usec")));
            let io = fs::read_to_string(memory.join("io.stat")).unwrap_or_default();
            usage.read_bytes = sum_of(&io, "rbytes=");
            usage.written_bytes = sum_of(&io, "wbytes=");
        }
        usage
    }
}

/// The sum of what stands behind `key` in lines of `8:0 key=number …`.
fn sum_of(text: &str, key: &str) -> u64 {
    let words = text.split_whitespace().filter_map(|word| word.strip_prefix(key));
    words.filter_map(|number| number.parse::<u64>().ok()).fold(0, u64::saturating_add)
}

fn number(file: &Path) -> u64 {
    fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

/// The number behind `key` in lines of `key number`.
fn keyed_number(file: &Path, key: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == key).and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// Completes `usage` by what PID 1 saw, where no cgroup counted.
#[must_use]
pub fn with_ending(usage: CellUsage, ending: &RunEnding) -> CellUsage {
    let peak_memory_bytes = match usage.peak_memory_bytes {
        0 => ending.peak_resident_bytes,
        counted => counted,
    };
    CellUsage { peak_memory_bytes, ..usage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_the_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let cell = dir.path().join("a/b");
        fs::create_dir_all(&cell).unwrap();
        fs::write(cell.join("memory.peak"), "4096\n").unwrap();
        fs::write(cell.join("memory.events"), "low 0\noom 2\noom_kill 1\n").unwrap();
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        fs::write(cell.join("memory.oom_control"), v1).unwrap();
        let of = |v2| {
            Counters {
                memory: Some(dir.path().to_owned()),
                processes: Some(dir.path().to_owned()),
                v2,
            }
            .read("a/b")
        };
        fs::write(cell.join("pids.events"), "max 5\n").unwrap();
        fs::write(cell.join("cpu.stat"), "usage_usec 30\nuser_usec 10\nsystem_usec 20\n").unwrap();
        let io = "8:0 rbytes=100 wbytes=1 rios=1\n8:16 rbytes=11 wbytes=2 rios=1\n";
        fs::write(cell.join("io.stat"), io).unwrap();
        let expected = CellUsage {
            peak_memory_bytes: 4096,
            oom_kills: 1,
            process_limit_hits: 5,
            cpu_micros: Some((10, 20)),
            read_bytes: 111,
            written_bytes: 3,
        };
        assert_eq!(of(true), expected);
        let expected = CellUsage { oom_kills: 3, process_limit_hits: 5, ..CellUsage::default() };
        assert_eq!(of(false), expected);
    }

    #[test]
    fn this_host_has_a_memory_controller_or_none_and_says_which() {
        let counters = Counters::find();
        if let Some(memory) = &counters.memory {
            assert!(memory.is_dir(), "{counters:?}");
        }
        assert_eq!(counters.read(""), CellUsage::default());
    }
}
