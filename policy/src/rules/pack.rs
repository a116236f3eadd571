//! Packs: reviewed rules that come with the program and are named in one line.
//!
//! A pack is a rule file in `policy/packs`. Each of its rules allows, says why in
//! `reason`, and is tested there. A use of a pack says for whom, where, when and
//! with which grant; what a rule of the pack permits, a use cannot widen.
//!
//! Invariant: a rule of a pack is named `pack:NAME/ID`; no rule of a file can
//! have such an id.

/// A pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pack {
    /// Its name.
    pub name: &'static str,
    /// Its rule file.
    pub text: &'static str,
}

/// All packs, in the byte order of their names.
pub const PACKS: [Pack; 11] = [
    Pack { name: "build-c", text: include_str!("../../packs/build-c.toml") },
    Pack { name: "build-node", text: include_str!("../../packs/build-node.toml") },
    Pack { name: "build-python", text: include_str!("../../packs/build-python.toml") },
    Pack { name: "build-rust", text: include_str!("../../packs/build-rust.toml") },
    Pack { name: "files", text: include_str!("../../packs/files.toml") },
    Pack { name: "git-read", text: include_str!("../../packs/git-read.toml") },
    Pack { name: "git-write", text: include_str!("../../packs/git-write.toml") },
    Pack { name: "package-read", text: include_str!("../../packs/package-read.toml") },
    Pack { name: "search", text: include_str!("../../packs/search.toml") },
    Pack { name: "service-read", text: include_str!("../../packs/service-read.toml") },
    Pack { name: "test-runners", text: include_str!("../../packs/test-runners.toml") },
];

impl Pack {
    /// The pack of this name.
    pub(super) fn find(name: &str) -> Option<Self> {
        PACKS.into_iter().find(|pack| pack.name == name)
    }

    /// How it stands in messages, instead of a file.
    #[must_use]
    pub fn file(&self) -> String {
        format!("pack:{}", self.name)
    }
}

#[cfg(test)]
mod tests;
