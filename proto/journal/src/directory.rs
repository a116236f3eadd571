//! A journal's directory: private, and locked by its one writer.
//!
//! Segments are `journal-<first sequence, 20 digits>.jsonl`; beside them lie
//! `journal.head` and `journal.lock`. Readers take no lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PREFIX: &str = "journal-";
const SUFFIX: &str = ".jsonl";

/// A directory that this process alone writes.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    handle: File,
    /// Holds the lock for as long as it is open.
    _lock: File,
}

/// Why a journal's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused something.
    #[error("cannot {operation} `{path}`: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process writes this journal.
    #[error("the journal `{0}` is open in another process; stop that one first")]
    Locked(PathBuf),
    /// Others may write here.
    #[error(
        "the journal's directory `{path}` has mode {mode:04o}, so others could write it; `chmod 700` it"
    )]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Directory {
    /// Makes the directory where it is missing (mode 0700) and locks it.
    pub(crate) fn lock(path: &Path) -> Result<Self, DirectoryError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(failed("create the directory", path))?;
        let handle = File::open(path).map_err(failed("open the directory", path))?;
        let metadata = handle.metadata().map_err(failed("look at", path))?;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(DirectoryError::Exposed { path: path.to_owned(), mode });
        }
        let file = path.join("journal.lock");
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&file);
        let lock = lock.map_err(failed("create", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), handle, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed("lock", &file)(source)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes created, renamed and removed names durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }
}

/// The path of the segment that begins with this record.
pub(crate) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{first:020}{SUFFIX}"))
}

/// The segments in order, each with the sequence that its name says.
pub(crate) fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let first = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX))
            .filter(|digits| digits.len() == 20)
            .and_then(|digits| digits.parse().ok());
        if let Some(first) = first {
            found.push((first, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn failed<'p>(
    operation: &'static str,
    path: &'p Path,
) -> impl FnOnce(io::Error) -> DirectoryError + use<'p> {
    move |source| DirectoryError::System { operation, path: path.to_owned(), source }
}
