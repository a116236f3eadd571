//! Reads the ceiling's file, and refuses one that somebody else could have
//! written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{Ceiling, MAX_FILE};

/// Why a ceiling file was not taken; nothing is allowed then. Each names the
/// file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be opened or read.
    #[error("cannot read the ceiling file `{0}`: {1}")]
    Read(PathBuf, #[source] io::Error),
    /// Somebody other than its owner could have written it.
    #[error("the ceiling file `{0}` {1}; `chown root {0} && chmod 644 {0}` mends it")]
    Untrusted(PathBuf, String),
    /// Its text is not a ceiling; with line, column and key.
    #[error("the ceiling file `{0}` is not a ceiling: {1}")]
    Parse(PathBuf, #[source] Box<toml::de::Error>),
}

/// Reads the ceiling at `path`, which must be a regular file of at most
/// [`MAX_FILE`] bytes, not a symlink, owned by root or by `owner`, and writable
/// by nobody else. With the text that it says this in.
///
/// # Errors
/// See [`LoadError`].
pub fn load(path: &Path, owner: u32) -> Result<(Ceiling, String), LoadError> {
    let read = |source| LoadError::Read(path.into(), source);
    let untrusted = |problem: String| Err(LoadError::Untrusted(path.into(), problem));
    // O_NONBLOCK: a FIFO must not hold root up.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
        .map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    if !metadata.is_file() {
        return untrusted("is not a regular file".to_owned());
    }
    if metadata.uid() != 0 && metadata.uid() != owner {
        return untrusted(format!("belongs to uid {}", metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        return untrusted(format!("has mode {:o}: others can write it", metadata.mode() & 0o7777));
    }
    let text = read_bounded(&mut file).map_err(read)?;
    let parsed = Ceiling::parse(&text);
    let parsed = parsed.map_err(|source| LoadError::Parse(path.into(), Box::new(source)))?;
    Ok((parsed, text))
}

fn read_bounded(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        let why = format!("longer than {MAX_FILE} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(text)
}
