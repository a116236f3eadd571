//! Files that hold private keys: created for the owner alone, and refused when
//! anybody else could have read them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

const MAX_KEY_FILE: u64 = 64 * 1024;

/// Why a private key file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// There is a file already; keys are never overwritten.
    #[error(
        "cannot create the key file `{0}`: it exists already; move it away or choose another place"
    )]
    Exists(PathBuf),
    /// The system refused to create or write it.
    #[error("cannot write the key file `{path}`: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused to open or read it.
    #[error("cannot read the key file `{path}`: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may open it.
    #[error(
        "the key file `{path}` has mode {mode:04o}, so others could have read it; make a new key, or `chmod 600` it if you are sure"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a regular file, or too long to be a key.
    #[error("`{0}` is not a key file: it must be a regular file of at most 64 KiB")]
    NotAKey(PathBuf),
}

/// Creates `path` with mode 0600, never overwriting, and makes it durable.
pub(crate) fn create(path: &Path, contents: &[u8]) -> Result<(), PrivateFileError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(
        |source| match source.kind() {
            io::ErrorKind::AlreadyExists => PrivateFileError::Exists(path.to_owned()),
            _ => PrivateFileError::Write { path: path.to_owned(), source },
        },
    )?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(|source| {
        // Half a key helps nobody; the error that counts is the first one.
        let _ = fs::remove_file(path);
        PrivateFileError::Write { path: path.to_owned(), source }
    })
}

/// Reads a private key file, insisting on its mode.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, PrivateFileError> {
    let failed = |source| PrivateFileError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_KEY_FILE {
        return Err(PrivateFileError::NotAKey(path.to_owned()));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Exposed { path: path.to_owned(), mode });
    }
    // Sized once, so that no grown buffer leaves a copy of the key behind.
    let size = usize::try_from(MAX_KEY_FILE).unwrap_or(usize::MAX);
    let mut text = Zeroizing::new(String::with_capacity(size));
    (&mut file).take(MAX_KEY_FILE).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
