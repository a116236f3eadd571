//! Absolute, normalised paths: what a plan may name.
//!
//! A path that is lexically normal can be compared with the ceiling's roots by
//! its components. That the kernel reaches the same place is ensured where it
//! is opened (openat2(2) with `RESOLVE_NO_SYMLINKS`), not here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The kernel's `PATH_MAX` without the NUL.
pub const MAX_PATH: usize = 4095;

/// An absolute path without `.`, `..`, empty components, NUL or trailing
/// slash, of at most [`MAX_PATH`] bytes. Not necessarily UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsolutePath(Vec<u8>);

/// Why bytes are not an [`AbsolutePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start with a slash.
    #[error("the path is not absolute")]
    Relative,
    /// It has an empty, `.` or `..` component, or ends in a slash.
    #[error("the path has an empty, `.` or `..` component")]
    NotNormal,
    /// It has a NUL byte.
    #[error("the path has a NUL byte")]
    Nul,
    /// It is longer than [`MAX_PATH`] bytes.
    #[error("the path is longer than {MAX_PATH} bytes")]
    TooLong,
}

impl AbsolutePath {
    /// Checks the bytes; changes nothing.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, PathError> {
        let bytes = bytes.into();
        if bytes.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        let Some(rest) = bytes.strip_prefix(b"/") else {
            return Err(PathError::Relative);
        };
        if bytes.contains(&0) {
            return Err(PathError::Nul);
        }
        let normal = |c: &[u8]| !matches!(c, b"" | b"." | b"..");
        if !rest.is_empty() && !rest.split(|&b| b == b'/').all(normal) {
            return Err(PathError::NotNormal);
        }
        Ok(Self(bytes))
    }

    /// The bytes, without a NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as a path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether this is `root` or lies beneath it, by components.
    #[must_use]
    pub fn is_beneath(&self, root: &Path) -> bool {
        self.as_path().starts_with(root)
    }
}

impl std::fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.as_path().display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_normal_paths_are_taken() {
        assert!(AbsolutePath::new("/").is_ok());
        assert!(AbsolutePath::new("/usr/bin/git").is_ok());
        for (text, error) in [
            ("", PathError::Relative),
            ("usr", PathError::Relative),
            ("//usr", PathError::NotNormal),
            ("/usr/", PathError::NotNormal),
            ("/usr/./bin", PathError::NotNormal),
            ("/usr/../etc", PathError::NotNormal),
            ("/usr\0", PathError::Nul),
        ] {
            assert_eq!(AbsolutePath::new(text), Err(error), "{text:?}");
        }
        assert_eq!(AbsolutePath::new([b'/'; 1].repeat(5000)), Err(PathError::TooLong));
    }

    #[test]
    fn beneath_goes_by_components_not_by_letters() {
        let path = AbsolutePath::new("/srv/shopping").unwrap();
        assert!(path.is_beneath(Path::new("/srv")));
        assert!(path.is_beneath(Path::new("/")));
        assert!(!path.is_beneath(Path::new("/srv/shop")));
    }
}
