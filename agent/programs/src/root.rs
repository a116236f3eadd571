//! The file system that programs are looked for in: the host's, or a made-up
//! tree beneath some directory.
//!
//! Every link is followed here, component by component, so that an absolute
//! link inside a made-up tree stays inside it. Opens regular files only, never
//! through a link, never waiting for a pipe. Only [`Reading`] calls it.
//!
//! [`Reading`]: crate::reading::Reading

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::bounds;

/// Where `/` is, and whose the system's own files are.
#[derive(Debug, Clone)]
pub struct Root {
    at: PathBuf,
    owner: u32,
}

/// Tells whether a file is still the one that was read: device, inode, size,
/// times of the last change of content and of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// An entry of a directory.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: OsString,
    /// What it is; a link is not followed.
    pub(crate) kind: fs::FileType,
}

impl Root {
    /// The host's own file system. Its system files belong to root.
    #[must_use]
    pub fn host() -> Self {
        Self { at: PathBuf::from("/"), owner: 0 }
    }

    /// The tree beneath `directory`, whose owner is taken for the system's.
    ///
    /// # Errors
    /// When `directory` cannot be looked at.
    pub fn at(directory: &Path) -> io::Result<Self> {
        let at = directory.canonicalize()?;
        let owner = fs::metadata(&at)?.uid();
        Ok(Self { at, owner })
    }

    /// Whose links may lead out of a tree.
    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// What is at `path`; a link there is not followed.
    pub(crate) fn look(&self, path: &Path) -> io::Result<Metadata> {
        fs::symlink_metadata(self.outside(path))
    }

    /// What the link at `path` holds.
    pub(crate) fn link(&self, path: &Path) -> io::Result<PathBuf> {
        fs::read_link(self.outside(path))
    }

    /// Opens the regular file at `path`, which has no link in it.
    pub(crate) fn open(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(self.outside(path), flags, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::InvalidInput.into()) }
    }

    /// The entries of a directory, in the order of their names; `None` when they
    /// are more than [`bounds::DIRECTORY`].
    pub(crate) fn list(&self, directory: &Path) -> io::Result<Option<Vec<Entry>>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.outside(directory))? {
            let entry = entry?;
            if entries.len() == bounds::DIRECTORY {
                return Ok(None);
            }
            entries.push(Entry { name: entry.file_name(), kind: entry.file_type()? });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }

    fn outside(&self, path: &Path) -> PathBuf {
        self.at.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Stamp {
    /// Of a file as it is now.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
