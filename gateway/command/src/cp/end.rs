//! Where a file is copied from or to.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// One end of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Standard input or output.
    Stdio,
    /// Here.
    Local(PathBuf),
    /// On a host behind the gateway.
    Remote {
        /// Its name.
        host: String,
        /// Absolute, or relative to the workspace.
        path: Vec<u8>,
    },
}

impl End {
    /// Reads a word of the command line.
    pub(super) fn parse(word: OsString) -> Self {
        if word == "-" {
            return Self::Stdio;
        }
        let bytes = word.as_bytes();
        let colon = bytes.iter().position(|byte| matches!(byte, b':' | b'/'));
        match colon.filter(|at| *at > 0 && bytes[*at] == b':') {
            Some(at) => {
                let host = String::from_utf8_lossy(&bytes[..at]).into_owned();
                let path = match &bytes[at + 1..] {
                    b"" => b".".to_vec(),
                    path => path.to_vec(),
                };
                Self::Remote { host, path }
            }
            None => Self::Local(word.into()),
        }
    }

    /// What it is called where it goes.
    pub(super) fn name(&self) -> OsString {
        let name = match self {
            Self::Stdio => None,
            Self::Local(path) => path.file_name().map(OsStr::to_owned),
            Self::Remote { path, .. } => last(path).map(|name| OsString::from_vec(name.to_vec())),
        };
        name.unwrap_or_default()
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio => f.write_str("-"),
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Remote { host, path } => write!(f, "{host}:{}", String::from_utf8_lossy(path)),
        }
    }
}

fn last(path: &[u8]) -> Option<&[u8]> {
    path.split(|byte| *byte == b'/').rfind(|part| !part.is_empty() && *part != b".")
}

/// A path on a host, or the name in it where it says that it is a directory.
pub(super) fn beneath_if_directory(mut path: Vec<u8>, name: OsString) -> Vec<u8> {
    let is_directory = path.ends_with(b"/") || path == b"." || path.ends_with(b"/.");
    if is_directory && !name.is_empty() {
        while path.len() > 1 && path.ends_with(b"/") {
            path.pop();
        }
        if path == b"." {
            return name.into_vec();
        }
        if path != b"/" {
            path.push(b'/');
        }
        path.extend(name.into_vec());
    }
    path
}

/// A path here, or the name in it where it is a directory.
pub(super) fn local_target(path: PathBuf, name: OsString) -> PathBuf {
    let says_so = path.as_os_str().as_bytes().ends_with(b"/");
    if (says_so || path.is_dir()) && !name.is_empty() { path.join(name) } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_colon_before_a_slash_is_on_a_host() {
        let remote = |host: &str, path: &[u8]| End::Remote { host: host.into(), path: path.into() };
        assert_eq!(End::parse("web-1:a/b".into()), remote("web-1", b"a/b"));
        assert_eq!(End::parse("web-1:".into()), remote("web-1", b"."));
        assert_eq!(End::parse(OsString::from_vec(b"h:\xff".to_vec())), remote("h", b"\xff"));
        for local in ["a", "./a:b", "/a:b", ":a"] {
            assert_eq!(End::parse(local.into()), End::Local(local.into()));
        }
        assert_eq!(End::parse("-".into()), End::Stdio);
    }

    #[test]
    fn a_directory_gets_the_name_of_what_is_copied() {
        let into = |path: &[u8]| beneath_if_directory(path.to_vec(), "x".into());
        assert_eq!(into(b"a/"), b"a/x");
        assert_eq!(into(b"."), b"x");
        assert_eq!(into(b"/"), b"/x");
        assert_eq!(into(b"a"), b"a");
        assert_eq!(End::parse("h:a/b/".into()).name(), "b");
        assert_eq!(End::parse("h:".into()).name(), "");
    }
}
