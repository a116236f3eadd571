//! Whether something is mounted beneath a directory, so that it is not half
//! removed before the kernel refuses: what a profile protects is a mount.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A mount at `path` or beneath, as far as the process's own list tells.
pub(super) fn beneath(path: &Path) -> Option<PathBuf> {
    // The kernel refuses all the same where the list cannot be read.
    let list = fs::read("/proc/self/mountinfo").ok()?;
    let real = fs::canonicalize(path).ok()?;
    list.split(|byte| *byte == b'\n').filter_map(mount_point).find(|at| at.starts_with(&real))
}

/// The fifth field of a line of mountinfo; see proc_pid_mountinfo(5).
fn mount_point(line: &[u8]) -> Option<PathBuf> {
    let field = line.split(|byte| *byte == b' ').nth(4)?;
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, others)) = rest.split_first() {
        let octal = |digits: &[u8]| {
            let text = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(text, 8).ok()
        };
        let escaped = others.get(..3).and_then(octal).filter(|_| first == b'\\');
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &others[3..] } else { others };
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_may_have_any_name() {
        let line = b"36 35 98:0 /mnt1 /mnt/with\\040space rw,noatime - ext4 /dev/root rw";
        assert_eq!(mount_point(line), Some("/mnt/with space".into()));
        assert_eq!(mount_point(b"short"), None);
        assert_eq!(beneath(Path::new("/proc")), Some("/proc".into()));
    }
}
