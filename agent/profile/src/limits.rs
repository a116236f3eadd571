//! How much a run may use, and that a child's limits are within its parent's.

use std::fmt;

/// Limits of a profile. None of them is zero but where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of swap; 0: none.
    pub swap_bytes: u64,
    /// Tasks.
    pub processes: u32,
    /// Thousandths of one CPU.
    pub cpu_millis: u32,
    /// Share of the CPU where others want it too: 1 to 10,000; 100 is usual.
    pub cpu_weight: u32,
    /// Bytes a second that are read from, and as many that are written to, the
    /// workspace's disk; 0: not limited.
    pub io_bytes_per_second: u64,
    /// Milliseconds of wall time.
    pub wall_millis: u64,
    /// Milliseconds without output after which a run is ended; without it,
    /// silence is not limited.
    pub idle_millis: Option<u64>,
    /// Bytes of output.
    pub output_bytes: u64,
    /// Bytes of the largest file.
    pub file_size_bytes: u64,
    /// Open files of one process.
    pub open_files: u32,
}

/// A limit as it is compared: the key, the value, and the unit it is told in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) key: &'static str,
    /// `None`: not limited, which is more than anything.
    pub(crate) value: Option<u64>,
    pub(crate) unit: Unit,
}

/// What a value counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Millis,
    Number,
}

impl Limits {
    /// Every limit; the order is the same for all.
    pub(crate) fn amounts(&self) -> [Amount; 11] {
        let Self {
            memory_bytes,
            swap_bytes,
            processes,
            cpu_millis,
            cpu_weight,
            io_bytes_per_second,
            wall_millis,
            idle_millis,
            output_bytes,
            file_size_bytes,
            open_files,
        } = *self;
        let amount = |key, value, unit| Amount { key, value: Some(value), unit };
        let io = (io_bytes_per_second > 0).then_some(io_bytes_per_second);
        [
            amount("limits.memory", memory_bytes, Unit::Bytes),
            amount("limits.swap", swap_bytes, Unit::Bytes),
            amount("limits.processes", processes.into(), Unit::Number),
            amount("limits.cpu_millis", cpu_millis.into(), Unit::Number),
            amount("limits.cpu_weight", cpu_weight.into(), Unit::Number),
            Amount { key: "limits.io_bytes_per_second", value: io, unit: Unit::Number },
            amount("limits.wall", wall_millis, Unit::Millis),
            Amount { key: "limits.idle", value: idle_millis, unit: Unit::Millis },
            amount("limits.output", output_bytes, Unit::Bytes),
            amount("limits.file_size", file_size_bytes, Unit::Bytes),
            amount("limits.open_files", open_files.into(), Unit::Number),
        ]
    }
}

impl Amount {
    /// Whether it is at most `other`.
    pub(crate) fn is_within(self, other: Self) -> bool {
        match (self.value, other.value) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(value), Some(bound)) => value <= bound,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.value, self.unit) {
            (None, _) => f.write_str("not limited"),
            (Some(bytes), Unit::Bytes) => write!(f, "\"{}\"", in_bytes(bytes)),
            (Some(millis), Unit::Millis) => write!(f, "\"{}\"", in_time(millis)),
            (Some(number), Unit::Number) => write!(f, "{number}"),
        }
    }
}

/// Bytes as files write them: `512MiB`.
#[must_use]
pub fn in_bytes(bytes: u64) -> String {
    in_units(bytes, &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)], "B")
}

/// Milliseconds as files write them: `10m`.
#[must_use]
pub fn in_time(millis: u64) -> String {
    in_units(millis, &[("h", 3_600_000), ("m", 60_000), ("s", 1_000)], "ms")
}

/// In the largest unit that divides it.
fn in_units(value: u64, units: &[(&str, u64)], smallest: &str) -> String {
    let divides = |(_, factor): &&(&str, u64)| value > 0 && value.is_multiple_of(*factor);
    match units.iter().find(divides) {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => format!("{value}{smallest}"),
    }
}
