//! What a run uses while it goes on, for those who look at it.
//!
//! On cgroup v2 its leaf counts all of it. On v1 the cell has no leaf that counts
//! processor time, so that of the processes that are there now is added up, with
//! that of their children that were waited for; a file that is gone meanwhile counts
//! nothing. Nothing here is recorded: what a run used is told at its end.

use std::fs;
use std::path::Path;

use cofferdam_proto::exec::v1::Usage;
use prost_types::Duration;

use super::{Counters, number};

/// Processes whose time is added up on cgroup v1, at most.
const MOST_PROCESSES: usize = 256;
/// Of a second: USER_HZ, which is 100 wherever this is built (proc(5)).
const TICKS: u64 = 100;

/// What a run uses; zeros where nobody counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Now {
    /// Processor time so far and the most memory; no wall time.
    pub used: Usage,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u32,
}

impl Counters {
    /// What the run in the cgroup `relative` uses; empty: it has none.
    #[must_use]
    pub fn now(&self, relative: &str) -> Now {
        let Some(memory) = self.memory.as_ref().filter(|_| !relative.is_empty()) else {
            return Now::default();
        };
        let leaf = memory.join(relative);
        let counted = self.read(relative);
        let current = if self.v2 { "memory.current" } else { "memory.usage_in_bytes" };
        let processes = self.processes.as_ref();
        let processes = processes.map_or(0, |it| number(&it.join(relative).join("pids.current")));
        let (user, system) = counted.cpu_micros.unwrap_or_else(|| of_processes(&leaf));
        Now {
            used: Usage {
                wall: None,
                cpu_user: Some(duration(user)),
                cpu_system: Some(duration(system)),
                peak_memory_bytes: counted.peak_memory_bytes,
                read_bytes: counted.read_bytes,
                written_bytes: counted.written_bytes,
            },
            memory_bytes: number(&leaf.join(current)),
            processes: u32::try_from(processes).unwrap_or(u32::MAX),
        }
    }
}

/// Microseconds in user mode and in the kernel of the processes in a leaf.
fn of_processes(leaf: &Path) -> (u64, u64) {
    let processes = fs::read_to_string(leaf.join("cgroup.procs")).unwrap_or_default();
    let ticks = processes.lines().take(MOST_PROCESSES).filter_map(|pid| {
        let pid: u32 = pid.parse().ok()?;
        of_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    });
    let (user, system) = ticks.fold((0_u64, 0_u64), |(user, system), (more_user, more_system)| {
        (user.saturating_add(more_user), system.saturating_add(more_system))
    });
    let micros = |ticks: u64| ticks.saturating_mul(1_000_000) / TICKS;
    (micros(user), micros(system))
}

/// Ticks in user mode and in the kernel, its children's included, of a line of
/// `/proc/PID/stat` (proc(5)): fields 14 to 17. The name before them may hold
/// anything.
fn of_stat(line: &str) -> Option<(u64, u64)> {
    let (_, fields) = line.rsplit_once(')')?;
    // The first field after the name is the third.
    let mut ticks = fields.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    let mut next = || ticks.next().flatten();
    let (user, system) = (next()?, next()?);
    let (of_children, in_kernel_of_children) = (next()?, next()?);
    Some((user.saturating_add(of_children), system.saturating_add(in_kernel_of_children)))
}

fn duration(micros: u64) -> Duration {
    Duration {
        seconds: i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(micros % 1_000_000 * 1000).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_cannot_fake_its_time() {
        let line = "77 (a) R 9 9 9) S 1 77 77 0 -1 4194560 5 6 7 8 100 20 3 4 20 0 1 0 5";
        assert_eq!(of_stat(line), Some((103, 24)));
        assert_eq!(of_stat("77 (a"), None);
        assert_eq!(of_stat("77 (a) S 1 2"), None);
    }

    #[test]
    fn a_leaf_of_either_version_tells_what_it_uses_now() {
        let dir = tempfile::tempdir().unwrap();
        let leaf = dir.path().join("a");
        fs::create_dir(&leaf).unwrap();
        for (file, text) in [
            ("memory.current", "300\n"),
            ("memory.usage_in_bytes", "400\n"),
            ("pids.current", "2\n"),
            ("cpu.stat", "usage_usec 30\nuser_usec 1500000\nsystem_usec 20\n"),
        ] {
            fs::write(leaf.join(file), text).unwrap();
        }
        fs::write(leaf.join("cgroup.procs"), format!("{}\n", std::process::id())).unwrap();
        let of = |v2| {
            let place = Some(dir.path().to_owned());
            Counters { memory: place.clone(), processes: place, v2 }.now("a")
        };
        let now = of(true);
        assert_eq!((now.memory_bytes, now.processes), (300, 2));
        let user = Duration { seconds: 1, nanos: 500_000_000 };
        assert_eq!(now.used.cpu_user, Some(user));
        assert_eq!(of(false).memory_bytes, 400);
        assert_eq!(of(false).processes, 2);
        assert_eq!(Counters { memory: None, processes: None, v2: true }.now("a"), Now::default());
    }
}
