//! The layers of a sandbox, as profiles name them.

use std::collections::BTreeSet;

use cofferdam_plan::Layer;

/// All of them, in the order in which they are built.
const ALL: [Layer; 9] = [
    Layer::Namespaces,
    Layer::Network,
    Layer::View,
    Layer::Workspace,
    Layer::User,
    Layer::Privileges,
    Layer::Cgroup,
    Layer::Landlock,
    Layer::Seccomp,
];

/// What `enforcement.may_lack` calls a layer.
#[must_use]
pub fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Namespaces => "namespaces",
        Layer::Network => "network",
        Layer::View => "view",
        Layer::Workspace => "workspace",
        Layer::User => "user",
        Layer::Privileges => "privileges",
        Layer::Cgroup => "cgroup",
        Layer::Landlock => "landlock",
        Layer::Seccomp => "seccomp",
    }
}

pub(crate) fn all() -> BTreeSet<Layer> {
    ALL.into()
}

/// The layer of this name, or what would be one.
pub(crate) fn by_name(name: &str) -> Result<Layer, String> {
    ALL.into_iter().find(|layer| layer_name(*layer) == name).ok_or_else(|| {
        let names = ALL.map(|layer| format!("`{}`", layer_name(layer)));
        format!("names no layer: `{name}`; there are {}, or the word \"all\"", names.join(", "))
    })
}
