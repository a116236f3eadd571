//! Limits of one run. What is not set is what the profile says.

use std::fmt;

use cofferdam_ceiling::{Bytes, Millis};
use serde::Deserialize;

/// Limits of one run; `None`: what the profile says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory of the whole process tree.
    pub memory: Option<Bytes>,
    /// Processes and threads at the same time.
    pub processes: Option<u32>,
    /// Thousandths of one CPU.
    pub cpu_millis: Option<u32>,
    /// Wall time.
    pub wall: Option<Millis>,
    /// Stdout and stderr together.
    pub output: Option<Bytes>,
    /// The largest file that may be written.
    pub file_size: Option<Bytes>,
    /// Open files of one process.
    pub open_files: Option<u32>,
}

impl Limits {
    /// The smaller of each.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        let Self { memory, processes, cpu_millis, wall, output, file_size, open_files } = self;
        Self {
            memory: smaller(memory, other.memory),
            processes: smaller(processes, other.processes),
            cpu_millis: smaller(cpu_millis, other.cpu_millis),
            wall: smaller(wall, other.wall),
            output: smaller(output, other.output),
            file_size: smaller(file_size, other.file_size),
            open_files: smaller(open_files, other.open_files),
        }
    }

    /// These, and where one is not set, the other's.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        let Self { memory, processes, cpu_millis, wall, output, file_size, open_files } = self;
        Self {
            memory: memory.or(other.memory),
            processes: processes.or(other.processes),
            cpu_millis: cpu_millis.or(other.cpu_millis),
            wall: wall.or(other.wall),
            output: output.or(other.output),
            file_size: file_size.or(other.file_size),
            open_files: open_files.or(other.open_files),
        }
    }

    /// The name of the first limit that is zero, with which nothing can run.
    #[must_use]
    pub fn zero(&self) -> Option<&'static str> {
        let Self { memory, processes, cpu_millis, wall, output, file_size: _, open_files } = self;
        [
            ("memory", memory.map(|limit| limit.0)),
            ("processes", processes.map(u64::from)),
            ("cpu_millis", cpu_millis.map(u64::from)),
            ("wall", wall.map(|limit| limit.0)),
            ("output", output.map(|limit| limit.0)),
            ("open_files", open_files.map(u64::from)),
        ]
        .into_iter()
        .find_map(|(name, limit)| (limit == Some(0)).then_some(name))
    }
}

/// Unset is above everything.
fn smaller<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Those that are set, such as `memory 1073741824 B, wall 60000 ms`.
impl fmt::Display for Limits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, processes, cpu_millis, wall, output, file_size, open_files } = *self;
        let set = [
            memory.map(|limit| format!("memory {} B", limit.0)),
            processes.map(|limit| format!("{limit} processes")),
            cpu_millis.map(|limit| format!("{limit} thousandths of a CPU")),
            wall.map(|limit| format!("wall {} ms", limit.0)),
            output.map(|limit| format!("output {} B", limit.0)),
            file_size.map(|limit| format!("file size {} B", limit.0)),
            open_files.map(|limit| format!("{limit} open files")),
        ];
        out.write_str(&set.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}
