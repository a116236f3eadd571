//! How the agent reads what a cell says, and says it in words. Never runs as
//! root.

use super::{BuildStep, CellEvent, Layer, LayerReport, LayerSet};
use crate::codec::{Decode, DecodeError, Reader, Writer};
use crate::run::{RunEnding, RunId, RunStep};

impl LayerSet {
    /// The same with `layer`.
    #[must_use]
    pub const fn with(self, layer: Layer) -> Self {
        Self(self.0 | 1 << layer as u16)
    }

    pub(crate) fn encode(self, w: &mut Writer) {
        w.array(&self.0.to_le_bytes());
    }
}

impl FromIterator<Layer> for LayerSet {
    fn from_iter<I: IntoIterator<Item = Layer>>(layers: I) -> Self {
        layers.into_iter().fold(Self::NONE, Self::with)
    }
}

impl Layer {
    /// Every layer, in the order in which they are built.
    pub const ALL: [Self; 9] = [
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

impl Decode for CellEvent {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match r.u8("cell event")? {
            1 => Ok(Self::Ready(r.list("layers", Layer::ALL.len(), |r| {
                Ok(LayerReport {
                    layer: r.one_of("layer", &Layer::ALL)?,
                    effective: r.bool("layer.effective")?,
                    detail: r.text("layer.detail", 256)?,
                })
            })?)),
            2 => Ok(Self::BuildFailed {
                step: r.one_of("build step", &BuildStep::ALL)?,
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
            6 => Ok(Self::Listening { port: u16::from_le_bytes(r.array("port")?) }),
            other => Err(DecodeError::Unknown { field: "cell event", actual: other.into() }),
        }
    }
}
