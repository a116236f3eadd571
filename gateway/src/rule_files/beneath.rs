//! Reading beneath one directory: the kernel resolves each path, and refuses one
//! that leads out of it by `..` or a link (openat2(2), `RESOLVE_BENEATH`). Only
//! regular files are read, and opening one never waits.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

/// The largest rule file, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// The most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 4096;

/// A directory.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

/// Device and inode: the same file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Root {
    /// The directory at `path`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat2(CWD, path, flags, Mode::empty(), ResolveFlags::empty())?))
    }

    /// The file at `path`, wherever links lead.
    pub(super) fn read_first(path: &Path) -> io::Result<(String, Identity)> {
        read(openat2(CWD, path, file_flags(), Mode::empty(), ResolveFlags::empty())?)
    }

    /// The file at `path` beneath the directory.
    pub(super) fn read(&self, path: &Path) -> io::Result<(String, Identity)> {
        read(self.open_beneath(path, file_flags())?)
    }

    /// Names in the directory at `path` that `pattern` matches, each behind
    /// `path`, in byte order.
    pub(super) fn list(&self, path: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
        let beneath = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = Dir::new(self.open_beneath(beneath, flags)?)?;
        let mut names = Vec::new();
        for (count, entry) in directory.enumerate() {
            if count == MAX_ENTRIES {
                let message = format!("it has more than {MAX_ENTRIES} entries");
                return Err(io::Error::other(message));
            }
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !name.starts_with(b".") && matches(pattern.as_bytes(), name) {
                names.push(path.join(std::ffi::OsStr::from_bytes(name)));
            }
        }
        names.sort();
        Ok(names)
    }

    fn open_beneath(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        Ok(openat2(&self.0, path, flags, Mode::empty(), ResolveFlags::BENEATH)?)
    }
}

fn file_flags() -> OFlags {
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

fn read(file: OwnedFd) -> io::Result<(String, Identity)> {
    let found = fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    File::from(file).take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        let message = format!("it is longer than {MAX_FILE} bytes; split it");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok((text, Identity(found.st_dev, found.st_ino)))
}

/// Whether `pattern`, in which `*` is any text, matches the whole of `name`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&[u8]> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        // The first place will do: what follows may then begin earliest.
        let Some(at) = (0..=rest.len()).find(|at| rest[*at..].starts_with(part)) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_are_any_text_and_the_whole_name_has_to_match() {
        for (pattern, name, expected) in [
            ("a.toml", "a.toml", true),
            ("a.toml", "a.toml2", false),
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", true),
            ("*.toml", "a.toml.bak", false),
            ("a*b*.toml", "axxbyy.toml", true),
            ("a*b*.toml", "axx.toml", false),
            ("a*a.toml", "a.toml", false),
            ("**.toml", "x.toml", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
