//! The host owner's ceiling: the most that any caller may ever get on a host.
//!
//! One TOML file, owned by root. The agent and the warden each read it for
//! themselves, at every call anew when it changed, so that neither has to trust
//! the other. Unknown keys are refused; what is not named is not allowed.
//!
//! This crate is small because it runs as root: text in, [`Ceiling`] out, and
//! [`load`], which insists on the file's owner and mode.

mod file;
mod quantity;

use std::path::{Path, PathBuf};

use serde::{Deserialize, de::IgnoredAny};

pub use file::{LoadError, load};
pub use quantity::{Bytes, Millis};

/// The largest ceiling file, in bytes.
pub const MAX_FILE: u64 = 64 * 1024;

/// A ceiling, as its file says it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// The language's version: 1.
    pub version: Version,
    /// Who may call the agent. The agent reads it; root skips it.
    pub peers: IgnoredAny,
    /// What may be changed.
    pub workspaces: Workspaces,
    /// What of the host may be seen.
    pub view: View,
    /// What may be executed.
    pub programs: Programs,
    /// Which profiles may be used.
    pub profiles: Profiles,
    /// Whom the gateways may act for. The agent reads it; root skips it.
    pub callers: Option<IgnoredAny>,
    /// What the gateways' rules must be. The agent reads it; root skips it.
    pub policy: Option<IgnoredAny>,
    /// Which units callers may be told of. The agent reads it; root skips it.
    pub services: Option<IgnoredAny>,
    /// What of the network may be had.
    #[serde(default)]
    pub network: Network,
    /// How much of everything.
    pub limits: Limits,
    /// How strictly.
    #[serde(default)]
    pub enforcement: Enforcement,
}

/// The version of the language; anything but 1 is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Version;

impl TryFrom<u32> for Version {
    type Error = String;
    fn try_from(number: u32) -> Result<Self, String> {
        let unknown = || format!("version {number} is unknown; this program reads version 1");
        (number == 1).then_some(Self).ok_or_else(unknown)
    }
}

/// What may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workspaces {
    /// A workspace is one of these directories or lies beneath one.
    pub roots: Vec<RootPath>,
    /// A workspace may belong to root: files that a cell makes there are then
    /// root's on disk (never setuid).
    #[serde(default)]
    pub allow_root_owned: bool,
    /// Programs in a workspace may be executed.
    #[serde(default)]
    pub allow_execute: bool,
}

/// What of the host may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Files and directories that a cell may be shown, read-only.
    pub read: Vec<RootPath>,
}

/// What may be executed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// Programs, or directories of programs.
    pub execute: Vec<RootPath>,
}

/// Which profiles may be used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// By name.
    pub allow: Vec<String>,
}

/// What of the network may be had. `none` is always allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The host's own network, with everything that is on it.
    pub allow_host: bool,
    /// What cells may reach through the proxy, at most. Names and addresses are
    /// checked by the agent and the proxy: root reads them and nothing more.
    pub proxy: Vec<String>,
}

/// How much of everything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Cells at the same time, 1 to 10,000.
    pub cells: u32,
    /// Cells that sessions of one user keep at the same time; the agent's to hold.
    pub cells_per_user: Option<u32>,
    /// Calls under way at the same time; the agent's to hold.
    pub runs: Option<u32>,
    /// Calls of one user under way at the same time; the agent's to hold.
    pub runs_per_user: Option<u32>,
    /// Memory of one cell.
    pub memory: Bytes,
    /// Swap of one cell, on top of its memory.
    #[serde(default)]
    pub swap: Bytes,
    /// Tasks of one cell at the same time.
    pub processes: u32,
    /// Thousandths of one CPU that one cell may use.
    pub cpu_millis: u32,
    /// Wall time of one run.
    pub wall: Millis,
    /// Output of one run, stdout and stderr together.
    pub output: Bytes,
    /// The largest file that a run may write.
    pub file_size: Bytes,
    /// Files that one process of a run may hold open.
    pub open_files: u32,
    /// Private scratch space of one cell.
    pub scratch: Bytes,
}

/// How strictly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Enforcement {
    /// Cells may be built although a protection is missing on this host; each
    /// outcome says which. For trying things out, not for a host that matters.
    pub allow_degraded: bool,
}

/// An absolute path without `.`, `..` or a doubled slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct RootPath(PathBuf);

impl TryFrom<String> for RootPath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let trimmed = text.strip_suffix('/').filter(|it| !it.is_empty()).unwrap_or(&text);
        let normal = |c: &str| !matches!(c, "" | "." | "..") && !c.contains('\0');
        match trimmed.strip_prefix('/') {
            Some("") => Ok(Self(trimmed.into())),
            Some(rest) if rest.split('/').all(normal) => Ok(Self(trimmed.into())),
            _ => Err(format!("`{text}` is not an absolute path without `.`, `..` or `//`")),
        }
    }
}

impl RootPath {
    /// The path, without a trailing slash.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// Whether `path` is one of `roots` or lies beneath one, by components.
#[must_use]
pub fn covers(roots: &[RootPath], path: &Path) -> bool {
    roots.iter().any(|root| path.starts_with(root.as_path()))
}

impl Ceiling {
    /// Reads a ceiling from the text of its file.
    ///
    /// # Errors
    /// A message with line, column and key.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../packaging/config/ceiling.toml");

    #[test]
    fn the_shipped_example_is_a_ceiling() {
        let ceiling = Ceiling::parse(EXAMPLE).unwrap();
        assert!(!ceiling.enforcement.allow_degraded);
        assert!(!ceiling.network.allow_host);
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_place() {
        let error = Ceiling::parse(&EXAMPLE.replace("processes", "proceses")).unwrap_err();
        assert!(error.to_string().contains("proceses"), "{error}");
        assert!(error.to_string().contains("line"), "{error}");
    }

    #[test]
    fn another_version_is_refused() {
        let error = Ceiling::parse(&EXAMPLE.replace("version = 1", "version = 2")).unwrap_err();
        assert!(error.to_string().contains("version 2 is unknown"), "{error}");
    }

    #[test]
    fn paths_that_are_not_normal_are_refused() {
        for path in ["usr", "/usr/../etc", "/usr//bin", "", "/usr/./bin"] {
            assert!(RootPath::try_from(path.to_owned()).is_err(), "{path}");
        }
        assert_eq!(RootPath::try_from("/usr/".to_owned()).unwrap().as_path(), Path::new("/usr"));
    }

    #[test]
    fn a_root_covers_by_components() {
        let roots = [RootPath::try_from("/srv/shop".to_owned()).unwrap()];
        assert!(covers(&roots, Path::new("/srv/shop")));
        assert!(covers(&roots, Path::new("/srv/shop/a")));
        assert!(!covers(&roots, Path::new("/srv/shopping")));
    }
}
