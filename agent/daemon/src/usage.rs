//! What a cell used, read from its cgroup while its PID 1 still holds it.
//!
//! cgroups-rs finds out where this host keeps its memory controller: v2, v1, or
//! v1 beside an empty v2 tree. Without one there is what PID 1 saw of its
//! children.

use std::fs;
use std::path::{Path, PathBuf};

use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::{Controller, Subsystem, hierarchies};
use cofferdam_plan::RunEnding;

/// Where cells are counted on this host.
#[derive(Debug, Clone)]
pub struct Counters {
    memory: Option<PathBuf>,
    v2: bool,
}

/// What a cell used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellUsage {
    /// The most bytes at one time; 0 where nobody counted.
    pub peak_memory_bytes: u64,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: u64,
}

impl Counters {
    /// Finds the memory controller's hierarchy.
    #[must_use]
    pub fn find() -> Self {
        let hierarchy = hierarchies::auto();
        let memory = hierarchy.subsystems().into_iter().find_map(|subsystem| match subsystem {
            Subsystem::Mem(controller) => Some(mount(&controller)),
            _ => None,
        });
        Self { memory, v2: hierarchy.v2() }
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

    /// The usage of the cell whose cgroup is `relative`; empty: it has none.
    #[must_use]
    pub fn read(&self, relative: &str) -> CellUsage {
        let Some(cell) = self.memory.as_ref().filter(|_| !relative.is_empty()) else {
            return CellUsage::default();
        };
        let cell = cell.join(relative);
        let (peak, events) = if self.v2 {
            ("memory.peak", "memory.events")
        } else {
            ("memory.max_usage_in_bytes", "memory.oom_control")
        };
        CellUsage {
            peak_memory_bytes: number(&cell.join(peak)),
            oom_kills: keyed_number(&cell.join(events), "oom_kill"),
        }
    }
}

fn mount(controller: &MemController) -> PathBuf {
    controller.path().to_owned()
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
        let of = |v2| Counters { memory: Some(dir.path().to_owned()), v2 }.read("a/b");
        assert_eq!(of(true), CellUsage { peak_memory_bytes: 4096, oom_kills: 1 });
        assert_eq!(of(false), CellUsage { peak_memory_bytes: 0, oom_kills: 3 });
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
