//! Path patterns: beneath a root, with a mode.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::matching::{Match, Purpose};
use crate::path::Location;

/// Where a pattern starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Root {
    /// The call's workspace, or a directory in it.
    Workspace(PathBuf),
    /// This directory or file of the host.
    Absolute(PathBuf),
}

/// How a path is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Read, listed, searched.
    Read,
    /// Changed.
    Write,
}

/// How a program opens a path, as a rule says that permits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) mode: Mode,
    /// What lies beneath a directory is opened too.
    pub(crate) recursive: bool,
}

/// A part of the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern {
    pub(crate) root: Root,
    pub(crate) mode: Mode,
}

/// A use of a path that a rule may cover.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PathUse {
    pub(crate) location: Location,
    pub(crate) mode: Mode,
    /// Everything beneath is used too.
    pub(crate) recursive: bool,
}

impl Root {
    /// Reads `workspace`, `workspace/docs` or `/absolute`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (root, inner) = match text.strip_prefix("workspace") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => (true, rest),
            _ => (false, text),
        };
        let trimmed = inner.strip_suffix('/').unwrap_or(inner);
        let normal = |part: &str| !matches!(part, "" | "." | "..");
        let parts = trimmed.strip_prefix('/');
        let good = match parts {
            None => root && trimmed.is_empty(),
            Some(parts) => !text.contains('\0') && parts.split('/').all(normal),
        };
        match (root, good || text == "/") {
            (true, true) => Ok(Self::Workspace(parts.unwrap_or_default().into())),
            (false, true) if text == "/" => Ok(Self::Absolute("/".into())),
            (false, true) => Ok(Self::Absolute(trimmed.into())),
            (_, false) => Err(format!(
                "`{text}` is neither `workspace`, `workspace/...` nor an absolute path; write one of \
                 them, without `.`, `..` and `//`"
            )),
        }
    }

    /// The directory that it stands for in a project.
    pub(crate) fn resolve(&self, workspace: &Path) -> PathBuf {
        match self {
            Self::Workspace(inner) if inner.as_os_str().is_empty() => workspace.to_owned(),
            Self::Workspace(inner) => workspace.join(inner),
            Self::Absolute(path) => path.clone(),
        }
    }

    /// Whether `location` is this root or lies beneath it.
    pub(crate) fn covers(&self, location: &Location, workspace: &Path) -> Match {
        let root = self.resolve(workspace);
        match location {
            Location::At(path) => path.starts_with(&root).into(),
            Location::InWorkspace if workspace.starts_with(&root) => Match::Yes,
            Location::InWorkspace => Match::from(root.starts_with(workspace)).doubtful(),
            Location::Anywhere => Match::from(root == Path::new("/")).max(Match::Perhaps),
        }
    }

    /// Whether all that there is lies beneath it.
    pub(crate) fn is_everything(&self) -> bool {
        matches!(self, Self::Absolute(path) if path == Path::new("/"))
    }

    /// How deep it is, for telling the narrower of two.
    pub(crate) fn depth(&self, workspace: &Path) -> usize {
        self.resolve(workspace).components().count()
    }
}

impl PathPattern {
    /// Whether the pattern, read for this purpose, covers a use.
    ///
    /// Whoever may write may read; who may not read may not write either. A
    /// search from above a denied place would look into it.
    pub(crate) fn covers(&self, purpose: Purpose, used: &PathUse, workspace: &Path) -> Match {
        let mode = match purpose {
            Purpose::Permit => used.mode <= self.mode,
            Purpose::Guard => used.mode >= self.mode,
        };
        if !mode {
            return Match::No;
        }
        let within = self.root.covers(&used.location, workspace);
        if within != Match::No || purpose == Purpose::Permit || !used.recursive {
            return within;
        }
        let above = match &used.location {
            Location::At(path) => self.root.resolve(workspace).starts_with(path),
            Location::InWorkspace => self.root.resolve(workspace).starts_with(workspace),
            Location::Anywhere => true,
        };
        Match::from(above).doubtful()
    }
}

/// `/srv/shop (write)`; `workspace` where it is the call's.
impl fmt::Display for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.root, self.mode)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// `read`; `read, not beneath` where a directory is opened by itself.
impl fmt::Display for Opening {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.mode, if self.recursive { "" } else { ", not beneath" })
    }
}

impl fmt::Display for Root {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(inner) if inner.as_os_str().is_empty() => out.write_str("workspace"),
            Self::Workspace(inner) => write!(out, "workspace/{}", inner.display()),
            Self::Absolute(path) => write!(out, "{}", path.display()),
        }
    }
}

/// The last component of a path, as bytes.
pub(crate) fn file_name(path: &[u8]) -> &[u8] {
    Path::new(OsStr::from_bytes(path)).file_name().map(OsStr::as_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "/srv/shop";

    fn used(path: &str, mode: Mode, recursive: bool) -> PathUse {
        PathUse { location: Location::At(path.into()), mode, recursive }
    }

    fn pattern(root: &str, mode: Mode) -> PathPattern {
        PathPattern { root: Root::parse(root).unwrap(), mode }
    }

    #[test]
    fn roots_are_the_workspace_or_absolute_and_normal() {
        for good in ["workspace", "workspace/", "workspace/docs", "/", "/etc", "/etc/"] {
            assert!(Root::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "docs", "workspaces", "workspace/../x", "/etc/..", "//", "/a//b", "./x"] {
            assert!(Root::parse(bad).is_err(), "{bad}");
        }
        let docs = Root::parse("workspace/docs").unwrap();
        assert_eq!(docs.resolve(Path::new(WORKSPACE)), Path::new("/srv/shop/docs"));
    }

    #[test]
    fn a_writer_may_read_and_who_may_not_read_may_not_write() {
        let covers = |pattern: &PathPattern, purpose, mode| {
            pattern.covers(purpose, &used("/srv/shop/a", mode, false), Path::new(WORKSPACE))
        };
        let write = pattern("workspace", Mode::Write);
        assert_eq!(covers(&write, Purpose::Permit, Mode::Read), Match::Yes);
        assert_eq!(covers(&write, Purpose::Guard, Mode::Read), Match::No);
        let read = pattern("workspace", Mode::Read);
        assert_eq!(covers(&read, Purpose::Permit, Mode::Write), Match::No);
        assert_eq!(covers(&read, Purpose::Guard, Mode::Write), Match::Yes);
    }

    #[test]
    fn a_search_from_above_a_denied_place_may_look_into_it() {
        let secrets = pattern("workspace/secrets", Mode::Read);
        let workspace = Path::new(WORKSPACE);
        let search = used(WORKSPACE, Mode::Read, true);
        assert_eq!(secrets.covers(Purpose::Guard, &search, workspace), Match::Perhaps);
        assert_eq!(secrets.covers(Purpose::Permit, &search, workspace), Match::No);
        let list = used(WORKSPACE, Mode::Read, false);
        assert_eq!(secrets.covers(Purpose::Guard, &list, workspace), Match::No);
    }
}
