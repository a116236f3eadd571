//! What the explanations must know of the run that was refused.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run's sandbox, as far as its denials speak of it. The agent fills it from
/// the capped grant.
#[derive(Debug, Clone)]
pub struct Context {
    /// The name of its profile.
    pub profile: String,
    /// Its workspace.
    pub workspace: PathBuf,
    /// The workspace may be changed.
    pub writable: bool,
    /// The profile would let it be changed, whatever the grant says.
    pub profile_writes: bool,
    /// Programs in the workspace may be executed.
    pub executable: bool,
    /// What in the workspace stays read-only all the same; absolute.
    pub protected: Vec<PathBuf>,
    /// Private writable places, the home first.
    pub scratch: Vec<Place>,
    /// What it reaches of the network.
    pub network: Network,
    /// It may listen and connect by TCP on its cell's own loopback.
    pub loopback: bool,
    /// The name of its seccomp filter.
    pub filter: String,
    /// A profile of this host that may execute what was made in the workspace,
    /// if there is one and the ceiling allows it.
    pub building: Option<String>,
    /// Who knows what the run was given of the host's files; without, denials are
    /// explained by the profile's keys alone.
    pub host_files: Option<Arc<dyn HostFiles>>,
}

/// Knows what of the host's files a run was given, and why no more: ceiling,
/// profile and grant must each have a file, and programs bring others along.
pub trait HostFiles: fmt::Debug + Send + Sync {
    /// What keeps the run from a file of the host, by its real path; `None` where
    /// the lists of files do not.
    fn refusal(&self, tried: Tried, path: &Path) -> Option<Remedy>;
}

/// What was tried with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// To read it, or to list it.
    Read,
    /// To execute it.
    Execute,
}

/// What governs a refusal, and what would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// The key of the profile, as in `view.read`.
    pub setting: &'static str,
    /// What would allow it, as the end of a sentence.
    pub grant: String,
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
    /// What those who know say of a file of the host.
    pub(super) fn of_host(&self, tried: Tried, path: &Path) -> Option<Remedy> {
        self.host_files.as_ref()?.refusal(tried, path)
    }

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
