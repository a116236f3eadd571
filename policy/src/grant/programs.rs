//! Which programs a grant names: those of the profile, or a list of absolute
//! paths and directories that the kernel then enforces.
//!
//! Invariant: a list is never empty. On the wire an empty list means «what the
//! profile says», so an empty intersection must not become one.

use std::collections::BTreeSet;
use std::fmt;

/// The programs of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Programs {
    /// What the profile says.
    #[default]
    Profile,
    /// Only these of what the profile says; never empty.
    Only(BTreeSet<ProgramPath>),
}

/// An absolute, normal path of a program, or of a directory with everything
/// beneath it, which is then written with a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct ProgramPath(String);

/// A text that is not a [`ProgramPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an absolute path of a program; write it without `.`, `..` and `//`, and a \
     directory with `/` at its end"
)]
pub struct ProgramPathError(pub String);

impl TryFrom<String> for ProgramPath {
    type Error = ProgramPathError;
    fn try_from(text: String) -> Result<Self, ProgramPathError> {
        let inner = text.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let normal = |part: &str| !matches!(part, "" | "." | "..");
        match inner {
            Some("") if text == "/" => Ok(Self(text)),
            Some(inner) if !text.contains('\0') && inner.split('/').all(normal) => Ok(Self(text)),
            _ => Err(ProgramPathError(crate::text::shown(text.as_bytes()))),
        }
    }
}

impl ProgramPath {
    /// As written: a directory ends in a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names everything beneath a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.0.ends_with('/')
    }

    /// Whether everything that `other` names is named by this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.is_directory() && other.0.starts_with(&self.0))
    }
}

impl Programs {
    /// Reads the programs of a grant as they travel: none means the profile's.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, ProgramPathError> {
        let paths: BTreeSet<ProgramPath> = texts
            .iter()
            .map(|text| ProgramPath::try_from(text.as_ref().to_owned()))
            .collect::<Result<_, _>>()?;
        Ok(if paths.is_empty() { Self::Profile } else { Self::Only(paths) })
    }

    /// As they travel: empty means the profile's.
    #[must_use]
    pub fn to_texts(&self) -> Vec<String> {
        match self {
            Self::Profile => Vec::new(),
            Self::Only(paths) => paths.iter().map(|path| path.0.clone()).collect(),
        }
    }

    /// What both name; `None` where that is nothing.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let (one, other) = match (self, other) {
            (Self::Profile, only) | (only, Self::Profile) => return Some(only.clone()),
            (Self::Only(one), Self::Only(other)) => (one, other),
        };
        let covered = |path: &ProgramPath, by: &BTreeSet<ProgramPath>| {
            by.iter().any(|wide| wide.covers(path))
        };
        let mut both: BTreeSet<ProgramPath> = BTreeSet::new();
        both.extend(one.iter().filter(|path| covered(path, other)).cloned());
        both.extend(other.iter().filter(|path| covered(path, one)).cloned());
        (!both.is_empty()).then_some(Self::Only(both))
    }

    /// What either names. The profile's, where one says so.
    #[must_use]
    pub(crate) fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Profile, _) | (_, Self::Profile) => Self::Profile,
            (Self::Only(one), Self::Only(other)) => Self::Only(one.union(other).cloned().collect()),
        }
    }
}

impl fmt::Display for Programs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile => out.write_str("programs of the profile"),
            Self::Only(paths) => {
                let names: Vec<&str> = paths.iter().take(8).map(ProgramPath::as_str).collect();
                write!(out, "programs {}", names.join(", "))?;
                match paths.len().saturating_sub(8) {
                    0 => Ok(()),
                    more => write!(out, " and {more} more"),
                }
            }
        }
    }
}
