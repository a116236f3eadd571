//! What the builder of a cell tells the agent: the layers that it made, or at
//! which step it failed.

use crate::codec::{DecodeError, Encode, Frame, Reader, Writer};

mod words;

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
            other => Err(DecodeError::Unknown("may_lack", other.into())),
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
    let mut plain: String = text.chars().filter(|c| !c.is_control()).collect();
    plain.truncate(plain.floor_char_boundary(250));
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
}

/// The cell could not be built. As bytes it is the event of that name of
/// [`crate::CellEvent`]: this is the half of it that root writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildFailure {
    /// Where.
    pub step: BuildStep,
    /// errno(3); 0 where none applies.
    pub errno: i32,
    /// On what, and what to do; at most 1024 bytes of text.
    pub detail: String,
}

impl Frame for BuildFailure {
    const MAX_FRAME: usize = 4 * 1024;
}

impl Encode for BuildFailure {
    fn encode(&self, w: &mut Writer) {
        w.u8(2);
        w.u8(self.step as u8);
        w.u32(self.errno.cast_unsigned());
        w.bytes(self.detail.as_bytes());
    }
}
