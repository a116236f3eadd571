//! Layers and steps in words, and what else only the agent does with them.
//! Never runs as root.

use super::{BuildStep, Layer, LayerSet};
use crate::codec::Writer;

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
    pub(crate) const ALL: [Self; 11] = [
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
        }
    }
}
