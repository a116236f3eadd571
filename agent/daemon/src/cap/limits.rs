//! The smaller of what is asked for and what the ceiling gives.

use cofferdam_ceiling as ceiling;
use cofferdam_profile::{self as profile, Scratch};
use cofferdam_proto::intent::v1::Limits;

/// Limits of one call, none of them zero but for swap. The log of a run that outlives
/// this process has them as they are, by these numbers.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CappedLimits {
    /// Bytes of memory.
    #[prost(uint64, tag = "1")]
    pub memory_bytes: u64,
    /// Bytes of swap.
    #[prost(uint64, tag = "2")]
    pub swap_bytes: u64,
    /// Tasks.
    #[prost(uint32, tag = "3")]
    pub processes: u32,
    /// Thousandths of one CPU.
    #[prost(uint32, tag = "4")]
    pub cpu_millis: u32,
    /// Share of the CPU where others want it too.
    #[prost(uint32, tag = "5")]
    pub cpu_weight: u32,
    /// Bytes a second from and to the workspace's disk; 0: not limited.
    #[prost(uint64, tag = "6")]
    pub io_bytes_per_second: u64,
    /// Milliseconds of silence; `None`: not limited.
    #[prost(uint64, optional, tag = "7")]
    pub idle_millis: Option<u64>,
    /// Milliseconds of wall time.
    #[prost(uint64, tag = "8")]
    pub wall_millis: u64,
    /// Bytes of output.
    #[prost(uint64, tag = "9")]
    pub output_bytes: u64,
    /// Bytes of the largest file.
    #[prost(uint64, tag = "10")]
    pub file_size_bytes: u64,
    /// Open files of one process.
    #[prost(uint32, tag = "11")]
    pub open_files: u32,
}

/// How many of everything at the same time; what is left out is not limited here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crowd {
    /// Calls of everybody.
    pub runs: Option<u32>,
    /// Calls of one user.
    pub runs_per_user: Option<u32>,
    /// Cells of one user.
    pub cells_per_user: Option<u32>,
}

impl Crowd {
    /// What the ceiling says of it.
    #[must_use]
    pub fn of(most: &ceiling::Limits) -> Self {
        let ceiling::Limits { runs, runs_per_user, cells_per_user, .. } = *most;
        Self { runs, runs_per_user, cells_per_user }
    }
}

impl CappedLimits {
    /// What the cgroup of one run keeps.
    #[must_use]
    pub fn of_run(&self) -> cofferdam_plan::Limits {
        cofferdam_plan::Limits {
            memory_bytes: self.memory_bytes,
            swap_bytes: self.swap_bytes,
            processes: self.processes,
            cpu_millis: self.cpu_millis,
            cpu_weight: self.cpu_weight,
            ..cofferdam_plan::Limits::default()
        }
    }
}

/// The ceiling gives nothing of something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this host gives nothing of it: `{}` of its ceiling is zero, or too little to be of use; its \
     owner would raise it",
    .0.trim_start_matches("ceiling.")
)]
pub struct LimitError(&'static str);

impl LimitError {
    /// The ceiling's key that decided.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.0
    }
}

/// What is asked for, or what the profile says, and at most what the ceiling
/// gives.
pub(super) fn cap(
    asked: &Limits,
    profile: &profile::Limits,
    most: &ceiling::Limits,
) -> Result<CappedLimits, LimitError> {
    let long = |name, asked: u64, otherwise: u64, most: u64| {
        let wanted = if asked == 0 { otherwise } else { asked };
        match wanted.min(most) {
            0 => Err(LimitError(name)),
            limit => Ok(limit),
        }
    };
    let short = |name, asked: u32, otherwise: u32, most: u32| {
        long(name, asked.into(), otherwise.into(), most.into())
            .map(|limit| u32::try_from(limit).unwrap_or(most))
    };
    let Limits {
        memory_bytes,
        processes,
        cpu_millis,
        wall_millis,
        output_bytes,
        file_size_bytes,
        open_files,
    } = *asked;
    Ok(CappedLimits {
        memory_bytes: long(
            "ceiling.limits.memory",
            memory_bytes,
            profile.memory_bytes,
            most.memory.0,
        )?,
        swap_bytes: profile.swap_bytes.min(most.swap.0),
        processes: short("ceiling.limits.processes", processes, profile.processes, most.processes)?,
        cpu_millis: short(
            "ceiling.limits.cpu_millis",
            cpu_millis,
            profile.cpu_millis,
            most.cpu_millis,
        )?,
        cpu_weight: profile.cpu_weight,
        io_bytes_per_second: profile.io_bytes_per_second,
        idle_millis: profile.idle_millis,
        wall_millis: long("ceiling.limits.wall", wall_millis, profile.wall_millis, most.wall.0)?,
        output_bytes: long(
            "ceiling.limits.output",
            output_bytes,
            profile.output_bytes,
            most.output.0,
        )?,
        file_size_bytes: long(
            "ceiling.limits.file_size",
            file_size_bytes,
            profile.file_size_bytes,
            most.file_size.0,
        )?,
        open_files: short(
            "ceiling.limits.open_files",
            open_files,
            profile.open_files,
            most.open_files,
        )?,
    })
}

/// The smallest scratch place: one page.
const PAGE: u64 = 4096;

/// The scratch places, all made smaller by the same share where together they
/// are above the ceiling.
pub(super) fn scratch(
    places: &[Scratch],
    most: &ceiling::Limits,
    execute: bool,
) -> Result<Vec<Scratch>, LimitError> {
    let most = most.scratch.0;
    let sum = places.iter().fold(0_u64, |sum, place| sum.saturating_add(place.bytes));
    let share = |bytes: u64| {
        if sum <= most {
            return Some(bytes);
        }
        let part = u128::from(bytes) * u128::from(most) / u128::from(sum);
        let pages = u64::try_from(part).ok()? / PAGE;
        (pages > 0).then_some(pages * PAGE)
    };
    places
        .iter()
        .map(|place| {
            let bytes = share(place.bytes).ok_or(LimitError("ceiling.limits.scratch"))?;
            Ok(Scratch { path: place.path.clone(), bytes, execute: place.execute && execute })
        })
        .collect()
}
