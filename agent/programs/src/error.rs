//! Why a program cannot be resolved.

use std::io::ErrorKind;
use std::path::PathBuf;

/// Why there is no resolution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A grant names programs by absolute paths.
    #[error("the program `{0}` is not an absolute path; grants name programs by absolute paths")]
    NotAbsolute(PathBuf),
    /// Nothing is there, or a link leads nowhere.
    #[error("there is no program at `{0}`; install it, or take it out of the grant")]
    Missing(PathBuf),
    /// A directory, a device, a pipe.
    #[error("the program `{program}` is `{real}`, which is not a regular file; name a file")]
    NotAFile {
        /// As asked.
        program: PathBuf,
        /// Where its links lead.
        real: PathBuf,
    },
    /// Its needs cannot be known.
    #[error(
        "the program `{path}` cannot be read ({kind}), so what it needs is not known; let the agent's user read it, or name what it needs in the profile"
    )]
    Unreadable {
        /// The program, or a directory on the way.
        path: PathBuf,
        /// The reason.
        kind: ErrorKind,
    },
    /// A bound of [`crate::bounds`] was met.
    #[error("resolving `{program}` takes more than {limit} {what}; grant less, or a smaller tree")]
    TooMuch {
        /// The program that was resolved.
        program: PathBuf,
        /// What there was too much of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
}

/// A bound that was met, before it is known for which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuch {
    /// What there was too much of.
    pub(crate) what: &'static str,
    /// The bound.
    pub(crate) limit: u64,
}

impl TooMuch {
    /// `Ok` while `count` is within `limit`.
    pub(crate) fn check(what: &'static str, count: usize, limit: usize) -> Result<(), Self> {
        if count > limit { Err(Self { what, limit: limit as u64 }) } else { Ok(()) }
    }

    /// The error for `program`.
    pub(crate) fn resolving(self, program: PathBuf) -> ResolveError {
        ResolveError::TooMuch { program, what: self.what, limit: self.limit }
    }
}
