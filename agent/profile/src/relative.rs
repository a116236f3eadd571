//! Paths of a workspace, as `workspace.protect` names them.

use std::fmt;
use std::path::Path;

/// A path beneath a workspace: relative, without `.`, `..`, empty components, NUL
/// or trailing slash, of 1 to [`RelativePath::MAX`] bytes. It can be joined to
/// any workspace and stays in it, symlinks apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(String);

/// Why text is no [`RelativePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelativePathError {
    /// It starts with a slash.
    #[error("is absolute; write it as seen from the workspace, such as `.git/hooks`")]
    Absolute,
    /// It has an empty, `.` or `..` component, or ends in a slash.
    #[error("has an empty, `.` or `..` component or a slash at its end; write it as `.git/hooks`")]
    NotNormal,
    /// It has a control character.
    #[error("has a control character")]
    Control,
    /// It is longer than [`RelativePath::MAX`] bytes.
    #[error("is longer than {} bytes", RelativePath::MAX)]
    TooLong,
}

impl RelativePath {
    /// The most bytes.
    pub const MAX: usize = 1024;

    /// Checks the text; changes nothing.
    ///
    /// # Errors
    /// See [`RelativePathError`].
    pub fn new(text: impl Into<String>) -> Result<Self, RelativePathError> {
        let text = text.into();
        if text.len() > Self::MAX {
            return Err(RelativePathError::TooLong);
        }
        if text.starts_with('/') {
            return Err(RelativePathError::Absolute);
        }
        if text.chars().any(char::is_control) {
            return Err(RelativePathError::Control);
        }
        if text.split('/').any(|component| matches!(component, "" | "." | "..")) {
            return Err(RelativePathError::NotNormal);
        }
        Ok(Self(text))
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The same as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_in_the_workspace_are_taken() {
        for text in [".git/hooks", ".envrc", "a/b/c", "..a", "a b"] {
            assert_eq!(RelativePath::new(text).unwrap().as_str(), text);
        }
        let long = "a".repeat(2000);
        for (text, error) in [
            ("", RelativePathError::NotNormal),
            ("/etc", RelativePathError::Absolute),
            ("..", RelativePathError::NotNormal),
            ("a/../../b", RelativePathError::NotNormal),
            ("./a", RelativePathError::NotNormal),
            ("a//b", RelativePathError::NotNormal),
            ("a/", RelativePathError::NotNormal),
            ("a\0b", RelativePathError::Control),
            ("a\nb", RelativePathError::Control),
            (&long, RelativePathError::TooLong),
        ] {
            assert_eq!(RelativePath::new(text), Err(error), "{text:?}");
        }
    }
}
