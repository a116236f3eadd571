//! What a file has to be for another one to take its place.

use std::fs::{self, File};
use std::io;

use super::target::{Target, digest};
use crate::fault::FileFault;
use crate::version::Version;

/// What is expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// This SHA-256.
    Digest([u8; 32]),
    /// This version.
    Version(Version),
}

impl Expected {
    /// Whether the target is it now.
    pub(super) fn is_met_by(self, target: &Target) -> Result<bool, FileFault> {
        match self {
            Self::Digest(digest) => Ok(target.digest()? == digest),
            Self::Version(version) => {
                let metadata = fs::symlink_metadata(target.path());
                Ok(metadata.is_ok_and(|it| Version::of(&it) == version))
            }
        }
    }

    /// Whether a file that had its name until just now is it.
    pub(super) fn is_still(self, file: File) -> io::Result<bool> {
        match self {
            Self::Digest(expected) => Ok(digest(file)? == expected),
            // That it lost its name is a change, too.
            Self::Version(version) => Ok(Version::of(&file.metadata()?).has_content_of(version)),
        }
    }
}
