//! What a cell tells the agent over its control socket: first the builder,
//! then PID 1. The agent treats all of it as claims of a process that runs
//! beside untrusted code.

use crate::codec::{DecodeError, Plan, Reader, Writer};
use crate::run::{RunId, RunStep};

/// A layer of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Namespaces: mount, PID, IPC, UTS, cgroup, and user when rootless.
    Namespaces,
    /// The network namespace.
    Network,
    /// The view of the file system.
    View,
    /// The workspace's mapped mount.
    Workspace,
    /// A user of its own.
    User,
    /// Capabilities, bounding set, `no_new_privs`, keyring.
    Privileges,
    /// Memory, process and CPU limits.
    Cgroup,
    /// Landlock.
    Landlock,
    /// Seccomp.
    Seccomp,
}

/// A layer as the builder could make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerReport {
    /// Which.
    pub layer: Layer,
    /// Whether it is all that the plan asked for.
    pub effective: bool,
    /// What was given, or why it is weaker; at most 256 bytes of text.
    pub detail: String,
}

/// Which step of building a cell failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildStep {
    /// Making a user namespace and its maps.
    UserNamespace,
    /// Joining the cgroup.
    Cgroup,
    /// Opening the workspace: a symlink, missing, not a directory, not allowed.
    Workspace,
    /// Mapping the workspace's owner to the cell's user.
    IdMap,
    /// Making the root, binds, scratch places.
    View,
    /// Making /proc or /dev.
    Devices,
    /// pivot_root(2).
    PivotRoot,
    /// Host name, loopback.
    Network,
    /// Changing user, dropping capabilities.
    Privileges,
    /// Landlock.
    Landlock,
    /// Seccomp.
    Seccomp,
    /// Not done in time.
    Deadline,
}

/// How a run's first process ended; by then the whole tree is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEnding {
    /// As wait4(2) gives it.
    pub wait_status: i32,
    /// The wall time was over and PID 1 ended it.
    pub timed_out: bool,
    /// It was cancelled.
    pub cancelled: bool,
    /// Microseconds from start to end.
    pub wall_micros: u64,
    /// Microseconds of user time, of all waited-for processes of the run.
    pub user_micros: u64,
    /// Microseconds of system time.
    pub system_micros: u64,
    /// Bytes of the largest resident set of one process.
    pub peak_resident_bytes: u64,
}

/// What a cell says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellEvent {
    /// The cell is built, and these are its layers.
    Ready(Vec<LayerReport>),
    /// The cell could not be built.
    BuildFailed {
        /// Where.
        step: BuildStep,
        /// errno(3); 0 where none applies.
        errno: i32,
        /// On what, and what to do; at most 1024 bytes of text.
        detail: String,
    },
    /// A run's program has been executed.
    Started {
        /// Which.
        run: RunId,
    },
    /// A run's program could not be executed.
    FailedToStart {
        /// Which.
        run: RunId,
        /// Where.
        step: RunStep,
        /// errno(3); 0 where none applies.
        errno: i32,
    },
    /// A run ended, and nothing of it is left.
    Ended {
        /// Which.
        run: RunId,
        /// How.
        ending: RunEnding,
    },
}

impl Layer {
    const ALL: [Self; 9] = [
        Self::Namespaces,
        Self::Network,
        Self::View,
        Self::Workspace,
        Self::User,
        Self::Privileges,
        Self::Cgroup,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// The word in outcomes, logs and docs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Network => "network",
            Self::View => "view",
            Self::Workspace => "workspace",
            Self::User => "user",
            Self::Privileges => "privileges",
            Self::Cgroup => "cgroup",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

impl BuildStep {
    const ALL: [Self; 12] = [
        Self::UserNamespace,
        Self::Cgroup,
        Self::Workspace,
        Self::IdMap,
        Self::View,
        Self::Devices,
        Self::PivotRoot,
        Self::Network,
        Self::Privileges,
        Self::Landlock,
        Self::Seccomp,
        Self::Deadline,
    ];

    /// In words, for an outcome.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "user namespace",
            Self::Cgroup => "cgroup",
            Self::Workspace => "workspace",
            Self::IdMap => "workspace owner",
            Self::View => "file system view",
            Self::Devices => "proc and dev",
            Self::PivotRoot => "pivot root",
            Self::Network => "network",
            Self::Privileges => "privileges",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Deadline => "deadline",
        }
    }
}

fn pick<T: Copy>(all: &[T], field: &'static str, r: &mut Reader<'_>) -> Result<T, DecodeError> {
    let number = r.u8(field)?;
    all.get(usize::from(number))
        .copied()
        .ok_or(DecodeError::Unknown { field, actual: number.into() })
}

impl Plan for CellEvent {
    const MAX_FRAME: usize = 8 * 1024;

    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Ready(layers) => {
                w.u8(1);
                w.list(layers, |w, report| {
                    w.u8(report.layer as u8);
                    w.bool(report.effective);
                    w.bytes(report.detail.as_bytes());
                });
            }
            Self::BuildFailed { step, errno, detail } => {
                w.u8(2);
                w.u8(*step as u8);
                w.u32(errno.cast_unsigned());
                w.bytes(detail.as_bytes());
            }
            Self::Started { run } => {
                w.u8(3);
                w.array(&run.0);
            }
            Self::FailedToStart { run, step, errno } => {
                w.u8(4);
                w.array(&run.0);
                step.encode(w);
                w.u32(errno.cast_unsigned());
            }
            Self::Ended { run, ending } => {
                w.u8(5);
                w.array(&run.0);
                ending.encode(w);
            }
        }
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("cell event")? {
            1 => Ok(Self::Ready(r.list("layers", Layer::ALL.len(), |r| {
                Ok(LayerReport {
                    layer: pick(&Layer::ALL, "layer", r)?,
                    effective: r.bool("layer.effective")?,
                    detail: r.text("layer.detail", 256)?,
                })
            })?)),
            2 => Ok(Self::BuildFailed {
                step: pick(&BuildStep::ALL, "build step", r)?,
                errno: r.u32("errno")?.cast_signed(),
                detail: r.text("detail", 1024)?,
            }),
            3 => Ok(Self::Started { run: RunId(r.array("run")?) }),
            4 => Ok(Self::FailedToStart {
                run: RunId(r.array("run")?),
                step: RunStep::decode_number(r.u8("run step")?)?,
                errno: r.u32("errno")?.cast_signed(),
            }),
            5 => Ok(Self::Ended { run: RunId(r.array("run")?), ending: RunEnding::decode(r)? }),
            other => Err(DecodeError::Unknown { field: "cell event", actual: other.into() }),
        }
    }
}

impl RunEnding {
    fn encode(&self, w: &mut Writer) {
        w.u32(self.wait_status.cast_unsigned());
        w.bool(self.timed_out);
        w.bool(self.cancelled);
        w.u64(self.wall_micros);
        w.u64(self.user_micros);
        w.u64(self.system_micros);
        w.u64(self.peak_resident_bytes);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            wait_status: r.u32("wait_status")?.cast_signed(),
            timed_out: r.bool("timed_out")?,
            cancelled: r.bool("cancelled")?,
            wall_micros: r.u64("wall_micros")?,
            user_micros: r.u64("user_micros")?,
            system_micros: r.u64("system_micros")?,
            peak_resident_bytes: r.u64("peak_resident_bytes")?,
        })
    }
}
