//! Where a request's path leads: relative to the workspace, or absolute.
//!
//! Only form is checked (length, NUL); what may be reached is the kernel's to
//! say. Paths in answers start as the request's path did, so that they can be
//! used in the next request.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::bounds;
use crate::fault::FileFault;

/// Where relative paths start.
#[derive(Debug)]
pub(crate) struct Workspace(PathBuf);

/// A request's path.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// As it was asked for.
    asked: PathBuf,
    /// From the root.
    full: PathBuf,
}

impl Workspace {
    pub(crate) fn new(path: Vec<u8>) -> Result<Self, FileFault> {
        let path = checked("the workspace", path)?;
        if !path.is_absolute() {
            return Err(FileFault::Invalid("the workspace is not an absolute path".to_owned()));
        }
        Ok(Self(path))
    }

    /// Whether it was removed: it is not there, or it is mounted here and nowhere
    /// else any more.
    pub(crate) fn is_gone(&self) -> bool {
        match std::fs::metadata(&self.0) {
            Ok(metadata) => metadata.nlink() == 0,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// The workspace itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn place(&self, path: Vec<u8>) -> Result<Place, FileFault> {
        let asked = checked("the path", path)?;
        Ok(Place { full: self.0.join(&asked), asked })
    }
}

impl Place {
    /// From the root, to hand to the kernel.
    pub(crate) fn full(&self) -> &Path {
        &self.full
    }

    /// As asked for: what answers and messages show.
    pub(crate) fn asked(&self) -> &Path {
        &self.asked
    }

    /// What an answer calls `path`, which a walk from here found.
    pub(crate) fn shown(&self, path: &Path) -> Vec<u8> {
        let beneath = path.strip_prefix(&self.full).unwrap_or(path);
        let shown = match self.asked.as_os_str().as_bytes() {
            b"." | b"./" => beneath.to_owned(),
            _ => self.asked.join(beneath),
        };
        let mut bytes = shown.into_os_string().into_vec();
        // `join` with nothing leaves a trailing slash.
        if bytes.len() > 1 && bytes.ends_with(b"/") {
            bytes.pop();
        }
        if bytes.is_empty() { b".".to_vec() } else { bytes }
    }
}

fn checked(what: &str, path: Vec<u8>) -> Result<PathBuf, FileFault> {
    let problem = match path.len() {
        0 => "is empty; write `.` for the workspace".to_owned(),
        long if long > bounds::PATH => format!("is longer than {} bytes", bounds::PATH),
        _ if path.contains(&0) => "has a NUL byte".to_owned(),
        _ => return Ok(OsString::from_vec(path).into()),
    };
    Err(FileFault::Invalid(format!("{what} {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(asked: &str, found: &str) -> String {
        let workspace = Workspace::new(b"/project".to_vec()).unwrap();
        let place = workspace.place(asked.into()).unwrap();
        String::from_utf8(place.shown(Path::new(found))).unwrap()
    }

    #[test]
    fn paths_in_answers_start_as_the_request_did() {
        assert_eq!(shown(".", "/project/./a/b"), "a/b");
        assert_eq!(shown("src", "/project/src/a"), "src/a");
        assert_eq!(shown("src", "/project/src"), "src");
        assert_eq!(shown("/etc", "/etc/passwd"), "/etc/passwd");
        assert_eq!(shown(".", "/project/."), ".");
    }

    #[test]
    fn empty_long_and_nul_paths_are_refused() {
        let workspace = Workspace::new(b"/project".to_vec()).unwrap();
        for path in [b"".to_vec(), vec![b'a'; 5000], b"a\0b".to_vec()] {
            assert!(matches!(workspace.place(path), Err(FileFault::Invalid(_))));
        }
        assert!(Workspace::new(b"relative".to_vec()).is_err());
    }
}
