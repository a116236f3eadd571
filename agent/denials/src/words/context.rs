//! What the explanations must know of the run that was refused.

use std::path::{Path, PathBuf};

/// A run's sandbox, as far as its denials speak of it. The agent fills it from
/// the capped grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The name of its profile.
    pub profile: String,
    /// Its workspace.
    pub workspace: PathBuf,
    /// The workspace may be changed.
    pub writable: bool,
    /// Programs in the workspace may be executed.
    pub executable: bool,
    /// What in the workspace stays read-only all the same; absolute.
    pub protected: Vec<PathBuf>,
    /// Private writable places, the home first.
    pub scratch: Vec<Place>,
    /// What it reaches of the network.
    pub network: Network,
    /// The name of its seccomp filter.
    pub filter: String,
    /// A profile of this host that may execute what was made in the workspace,
    /// if there is one and the ceiling allows it.
    pub building: Option<String>,
}

/// A private writable place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub path: PathBuf,
    /// Programs in it may be executed.
    pub execute: bool,
}

/// What of the network a run reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Its own loopback.
    None,
    /// What the proxy lets through.
    Proxy,
    /// All that the host reaches.
    Host,
}

/// In which part of a cell a path lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// In what the profile protects of the workspace.
    Protected,
    /// In the rest of the workspace.
    Workspace,
    /// In a private place.
    Scratch(&'a Place),
    /// Anywhere else.
    Elsewhere,
}

impl Context {
    /// The innermost part that has the path.
    pub(super) fn part(&self, path: &Path) -> Part<'_> {
        let scratch = self.scratch.iter().filter(|place| path.starts_with(&place.path));
        let innermost = scratch.max_by_key(|place| place.path.as_os_str().len());
        let in_workspace = path.starts_with(&self.workspace);
        match innermost {
            Some(place) if !in_workspace || place.path.starts_with(&self.workspace) => {
                Part::Scratch(place)
            }
            _ if self.protected.iter().any(|it| path.starts_with(it)) => Part::Protected,
            _ if in_workspace => Part::Workspace,
            _ => Part::Elsewhere,
        }
    }

    /// Where the run may write, in words.
    pub(super) fn writable_places(&self) -> String {
        let workspace = self.writable.then_some(&self.workspace);
        let places = workspace.into_iter().chain(self.scratch.iter().map(|place| &place.path));
        let named: Vec<String> = places.map(|path| format!("`{}`", path.display())).collect();
        named.join(", ")
    }
}
