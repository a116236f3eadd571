//! Limits and times: the file's, else the parent's, else a default or an error.

use super::{Problem, required};
use crate::file::{LimitsSection, SessionSection};
use crate::{Limits, Session};

/// How long a cell without a run lives where nothing is said: 10 minutes.
const SESSION_IDLE_MILLIS: u64 = 600_000;
/// The share of the CPU where nothing is said, as cgroup v2 has it.
const CPU_WEIGHT: u32 = 100;
/// What cgroup v2 takes as `cpu.weight`.
const CPU_WEIGHTS: std::ops::RangeInclusive<u32> = 1..=10_000;

pub(super) fn limits(own: &LimitsSection, parent: Option<&Limits>) -> Result<Limits, Problem> {
    let LimitsSection {
        memory,
        swap,
        processes,
        cpu_millis,
        cpu_weight,
        io_bytes_per_second,
        wall,
        idle,
        output,
        file_size,
        open_files,
    } = own;
    let long = |key, own: Option<u64>, of: fn(&Limits) -> u64| {
        required(key, own, parent.map(of)).and_then(|value| some(key, value))
    };
    let short = |key, own: &Option<u32>, of: fn(&Limits) -> u32| {
        let value = required(key, *own, parent.map(of))?;
        some(key, value.into()).map(|_| value)
    };
    let cpu_weight = cpu_weight.or(parent.map(|p| p.cpu_weight)).unwrap_or(CPU_WEIGHT);
    if !CPU_WEIGHTS.contains(&cpu_weight) {
        return Err(("limits.cpu_weight", format!("is {cpu_weight}; 1 to 10000, 100 is usual")));
    }
    let idle_millis = match idle {
        Some(idle) => Some(some("limits.idle", idle.0)?),
        None => parent.and_then(|p| p.idle_millis),
    };
    let io = io_bytes_per_second.or(parent.map(|p| p.io_bytes_per_second));
    Ok(Limits {
        memory_bytes: long("limits.memory", memory.map(|it| it.0), |p| p.memory_bytes)?,
        swap_bytes: swap.map(|it| it.0).or(parent.map(|p| p.swap_bytes)).unwrap_or(0),
        processes: short("limits.processes", processes, |p| p.processes)?,
        cpu_millis: short("limits.cpu_millis", cpu_millis, |p| p.cpu_millis)?,
        cpu_weight,
        io_bytes_per_second: io.unwrap_or(0),
        wall_millis: long("limits.wall", wall.map(|it| it.0), |p| p.wall_millis)?,
        idle_millis,
        output_bytes: long("limits.output", output.map(|it| it.0), |p| p.output_bytes)?,
        file_size_bytes: long("limits.file_size", file_size.map(|it| it.0), |p| p.file_size_bytes)?,
        open_files: short("limits.open_files", open_files, |p| p.open_files)?,
    })
}

pub(super) fn session(own: &SessionSection, parent: Option<&Session>) -> Result<Session, Problem> {
    let SessionSection { idle, background } = own;
    let inherited = parent.map_or(SESSION_IDLE_MILLIS, |p| p.idle_millis);
    Ok(Session {
        idle_millis: some("session.idle", idle.map_or(inherited, |idle| idle.0))?,
        background: background.or(parent.map(|p| p.background)).unwrap_or(false),
    })
}

fn some(key: &'static str, value: u64) -> Result<u64, Problem> {
    match value {
        0 => Err((
            key,
            "is 0: nothing could run; give some, or leave the key out to inherit".to_owned(),
        )),
        value => Ok(value),
    }
}
