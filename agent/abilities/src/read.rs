//! Reads the kernel's small text files. Bounded, never blocking; what cannot be
//! read is absent.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The most that is read of one file: larger than any that is asked for, but
/// for mount tables of hosts with tens of thousands of mounts.
const MAX: u64 = 4 << 20;

/// The text of a file, with anything that is not UTF-8 replaced.
pub(crate) fn text(path: impl AsRef<Path>) -> Option<String> {
    let mut bytes = Vec::new();
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
        .ok()?
        .take(MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file that holds one number.
pub(crate) fn number(path: impl AsRef<Path>) -> Option<i64> {
    text(path)?.trim().parse().ok()
}
