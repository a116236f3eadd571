//! What a rule gives: profile, workspace, programs, limits, network; and how two
//! grants meet.
//!
//! Invariant: the meet of two grants gives nothing that either does not give.
//! Rules of several scopes meet here, and the commands of one command line, and
//! on the host the gateway's grant and the ceiling.

mod limits;
mod network;
mod programs;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

pub use limits::Limits;
pub(crate) use network::MAX_DESTINATIONS;
pub use network::Network;
pub use programs::{ProgramPath, ProgramPathError, Programs};

/// What an action may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The name of a profile of the host.
    pub profile: String,
    /// The absolute path of the workspace.
    pub workspace: PathBuf,
    /// What may be done in the workspace.
    pub workspace_access: WorkspaceAccess,
    /// Which programs may be executed.
    pub programs: Programs,
    /// How much of everything.
    pub limits: Limits,
    /// What may be reached through the proxy.
    pub network: Network,
    /// Layers of the sandbox, by name, that may not be missing.
    pub layers: BTreeSet<String>,
}

/// What may be done in the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceAccess {
    /// Only look.
    #[default]
    Read,
    /// Look and change.
    Write,
}

impl fmt::Display for WorkspaceAccess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Why two grants have nothing in common that could be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disjoint {
    /// Nobody said which of two profiles is narrower.
    #[error(
        "the profiles `{0}` and `{1}` cannot be compared; list both in `profiles` of the rule \
         file, from narrow to wide"
    )]
    Profiles(String, String),
    /// Different workspaces.
    #[error("the workspaces `{0}` and `{1}` are not the same")]
    Workspaces(PathBuf, PathBuf),
    /// No program is in both.
    #[error("no program is granted by both")]
    Programs,
    /// More lists of destinations than a host takes.
    #[error(
        "their grants have too many different `network` lists; give the same list to several rules"
    )]
    Networks,
}

/// Profiles from narrow to wide, as the rule file lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileOrder(Vec<String>);

impl ProfileOrder {
    /// An order from narrow to wide.
    #[must_use]
    pub fn new(narrow_to_wide: Vec<String>) -> Self {
        Self(narrow_to_wide)
    }

    /// From narrow to wide.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    /// The narrower of two profiles; none where that is not known.
    #[must_use]
    pub fn narrower<'a>(&self, one: &'a str, other: &'a str) -> Option<&'a str> {
        if one == other {
            return Some(one);
        }
        let place = |name: &str| self.0.iter().position(|listed| listed == name);
        Some(if place(one)? < place(other)? { one } else { other })
    }
}

impl Grant {
    /// What both grants give.
    pub fn meet(&self, other: &Self, order: &ProfileOrder) -> Result<Self, Disjoint> {
        if self.workspace != other.workspace {
            return Err(Disjoint::Workspaces(self.workspace.clone(), other.workspace.clone()));
        }
        let profile = order
            .narrower(&self.profile, &other.profile)
            .ok_or_else(|| Disjoint::Profiles(self.profile.clone(), other.profile.clone()))?;
        Ok(Self {
            profile: profile.to_owned(),
            workspace: self.workspace.clone(),
            workspace_access: self.workspace_access.min(other.workspace_access),
            programs: self.programs.meet(&other.programs).ok_or(Disjoint::Programs)?,
            limits: self.limits.meet(other.limits),
            network: self.network.meet(&other.network).ok_or(Disjoint::Networks)?,
            layers: self.layers.union(&other.layers).cloned().collect(),
        })
    }

    /// What a cell needs for two commands of one command line: as
    /// [`meet`](Self::meet), but with the programs of both, because each
    /// command was permitted by itself. The network is what both allow, because
    /// whatever one of them may reach, the other could reach too.
    pub(crate) fn beside(&self, other: &Self, order: &ProfileOrder) -> Result<Self, Disjoint> {
        let programs = self.programs.join(&other.programs);
        let shared = Self { programs: programs.clone(), ..self.clone() };
        shared.meet(&Self { programs, ..other.clone() }, order)
    }
}

/// `profile default, workspace /srv/shop (write), programs of the profile`.
impl fmt::Display for Grant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "profile {}, workspace {} ({}), {}",
            self.profile,
            self.workspace.display(),
            self.workspace_access,
            self.programs
        )?;
        if !self.layers.is_empty() {
            let layers: Vec<&str> = self.layers.iter().map(String::as_str).collect();
            write!(out, ", only with {}", layers.join(", "))?;
        }
        if !self.network.is_profile() {
            write!(out, ", {}", self.network)?;
        }
        if self.limits == Limits::default() {
            return Ok(());
        }
        write!(out, ", {}", self.limits)
    }
}

#[cfg(test)]
mod tests;
