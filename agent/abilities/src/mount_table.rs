//! `/proc/self/mountinfo` as proc_pid_mountinfo(5) describes it: which file
//! system a path is on, and where cgroup trees are mounted.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::read::text;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is.
    pub(crate) point: PathBuf,
    /// The file system's type.
    pub(crate) kind: String,
    /// What is mounted, such as a device.
    pub(crate) source: String,
    /// Options of the mount and of its file system.
    pub(crate) options: Vec<String>,
}

impl Mount {
    /// Whether an option is set.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|set| set == option)
    }
}

/// This process's mounts.
pub(crate) fn mounts() -> Vec<Mount> {
    parse(&text("/proc/self/mountinfo").unwrap_or_default())
}

/// Reads the table; lines that are none are left out.
pub(crate) fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_line).collect()
}

/// The mount that `path` lies on: the last of those with the longest point.
pub(crate) fn mount_of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
}

fn parse_line(line: &str) -> Option<Mount> {
    let (mount, system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(4);
    let point = unescaped(mount.next()?);
    let options = mount.next()?;
    let mut system = system.split(' ');
    let (kind, source) = (system.next()?.to_owned(), system.next()?.to_owned());
    let options = options.split(',').chain(system.next().unwrap_or_default().split(','));
    Some(Mount { point, kind, source, options: options.map(str::to_owned).collect() })
}

/// Space, tab, newline and backslash stand as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "\
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,prjquota
29 27 0:25 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
30 29 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
31 27 8:1 / /srv/with\\040space rw - xfs /dev/sdb rw,pquota
32 27 8:1 / /srv rw - btrfs /dev/sdc rw
not a mount
";

    #[test]
    fn a_path_lies_on_the_mount_with_the_longest_point() {
        let mounts = parse(TABLE);
        assert_eq!(mounts.len(), 5);
        let of = |path: &str| mount_of(&mounts, path.as_ref()).unwrap().kind.as_str();
        assert_eq!(of("/home/a"), "ext4");
        assert_eq!(of("/srv/a"), "btrfs");
        assert_eq!(of("/srv/with space/a"), "xfs");
        assert!(mounts[0].has("prjquota") && !mounts[1].has("prjquota"));
        assert!(mount_of(&[], Path::new("/")).is_none());
    }

    proptest! {
        #[test]
        fn no_table_confuses_the_reader(text in ".{0,200}", tail in "[ -~\\\\]{0,80}") {
            parse(&format!("{text}\n1 2 3:4 / {tail} - a b c\n"));
        }
    }
}
