//! What a cell tells the agent over its control socket, first the builder, then
//! PID 1, and how they write it. The agent treats all of it as claims of a
//! process that runs beside untrusted code.

use crate::codec::{DecodeError, Encode, Frame, Reader, Writer};
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

/// Layers, by the bits of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerSet(u16);

impl LayerSet {
    /// No layer.
    pub const NONE: Self = Self(0);
    /// Every layer.
    pub const ALL: Self = Self((1 << (Layer::Seccomp as u16 + 1)) - 1);

    /// Whether `layer` is one of them.
    #[must_use]
    pub const fn contains(self, layer: Layer) -> bool {
        self.0 & (1 << layer as u16) != 0
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u16::from_le_bytes(r.array("may_lack")?) {
            bits if bits & !Self::ALL.0 == 0 => Ok(Self(bits)),
            other => Err(DecodeError::Unknown { field: "may_lack", actual: other.into() }),
        }
    }
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

impl LayerReport {
    /// All that was asked for.
    pub fn effective(layer: Layer, detail: impl AsRef<str>) -> Self {
        Self { layer, effective: true, detail: plain(detail.as_ref()) }
    }

    /// Weaker than asked for, and why.
    pub fn degraded(layer: Layer, detail: impl AsRef<str>) -> Self {
        Self { layer, effective: false, detail: plain(detail.as_ref()) }
    }
}

/// Text without control characters, cut to what an event may carry.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain: String = text.chars().filter(|c| !c.is_control()).take(250).collect();
    while plain.len() > 250 {
        plain.pop();
    }
    plain
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
    /// A run's program has been executed. Descriptors: a pidfd of its first
    /// process, and where it has a terminal, that terminal's other end.
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
    /// A listening socket was made in the cell's network namespace; it travels
    /// as a descriptor. Port 0: it could not be made.
    Listening {
        /// On 127.0.0.1.
        port: u16,
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
            Self::Listening { port } => {
                w.u8(6);
                w.array(&port.to_le_bytes());
            }
        }
    }
}
