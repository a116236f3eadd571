//! What a cell tells the agent over its control socket, first the builder, then
//! PID 1, and how they write it. The agent treats all of it as claims of a
//! process that runs beside untrusted code.

use crate::codec::{Encode, Frame, Writer};
use crate::run::{RunEnding, RunId, RunStep};

mod decode;

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

impl Frame for CellEvent {
    const MAX_FRAME: usize = 8 * 1024;
}

impl Encode for CellEvent {
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
}
