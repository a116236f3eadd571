//! What bounds a workspace's use of its disk, and how much room there is.
//!
//! Cofferdam sets no quota: that takes root, and is the host owner's. It tells whether
//! one holds, without privilege and without opening the workspace: where a project
//! quota with a limit holds a directory, statfs(2) there gives the limit as the size of
//! the file system, which is larger at its mount (ext4, xfs). A workspace may also be a
//! file system of its own. Else nothing bounds it, and that is said, with the reason.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

/// Below this much room nearly every write fails.
const FULL: u64 = 64 << 10;
/// File systems that know project quotas.
const WITH_PROJECTS: [&str; 3] = ["ext4", "xfs", "f2fs"];

/// A workspace, and the mount that it lies on.
#[derive(Debug, Clone)]
pub struct Disk {
    workspace: PathBuf,
    mount: Option<Mount>,
}

/// A line of mountinfo (proc_pid_mountinfo(5)), as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    /// The root of the file system is what is mounted, not some directory of it.
    whole: bool,
    kind: String,
    project_quota: bool,
}

/// What bounds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// It is a file system of its own.
    Own,
    /// A quota that the host's owner set holds it; a project quota, as far as is known.
    Quota,
    /// Nothing, and why.
    Nothing(String),
}

/// How a workspace stands on its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// What bounds it.
    pub bound: Bound,
    /// Bytes of the bound, or of the whole disk.
    pub size: u64,
    /// Bytes that may still be written.
    pub free: u64,
    /// No file can be made any more.
    pub out_of_files: bool,
}

/// What statfs(2) says of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    size: u64,
    free: u64,
    out_of_files: bool,
}

impl Disk {
    /// Finds the mount that the directory lies on. Asks no disk.
    #[must_use]
    pub fn of(workspace: &Path) -> Self {
        let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        Self { workspace: workspace.to_owned(), mount: mount_of(&mounts, workspace) }
    }

    /// How it stands now. Asks the file system, which may take its time; an error says
    /// why it cannot be asked.
    ///
    /// # Errors
    /// As statfs(2).
    pub fn room(&self) -> std::io::Result<Room> {
        let here = Space::at(&self.workspace)?;
        let whole = self.mount.as_ref().and_then(|mount| Space::at(&mount.at).ok());
        let bound = bound(self.mount.as_ref(), &self.workspace, here, whole);
        let Space { size, free, out_of_files } = here;
        Ok(Room { bound, size, free, out_of_files })
    }

    /// Where the mount is and what is mounted, for a person.
    #[must_use]
    pub fn mount(&self) -> Option<(&Path, &str)> {
        self.mount.as_ref().map(|mount| (mount.at.as_path(), mount.kind.as_str()))
    }
}

impl Room {
    /// Whether nearly every write fails.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.free < FULL || self.out_of_files
    }

    /// Whether something holds the workspace to less than the disk.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        !matches!(self.bound, Bound::Nothing(_))
    }

    /// In words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let (size, mut free) = (bytes(self.size), format!("{} free", bytes(self.free)));
        if self.out_of_files {
            free.push_str(", and no file can be made");
        }
        match &self.bound {
            Bound::Own => format!("the workspace is a file system of its own of {size}, {free}"),
            Bound::Quota => {
                format!("a quota of the host's owner holds the workspace to {size}, {free}")
            }
            Bound::Nothing(why) => {
                format!("not enforced: {why}; the disk, which others share, has {free}")
            }
        }
    }
}

impl Space {
    fn at(place: &Path) -> std::io::Result<Self> {
        let told = statvfs(place)?;
        let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
        // Some count no files and give 0 of 0.
        let out_of_files = told.f_files > 0 && told.f_favail == 0;
        Ok(Self { size: bytes(told.f_blocks), free: bytes(told.f_bavail), out_of_files })
    }
}

fn bound(mount: Option<&Mount>, workspace: &Path, here: Space, whole: Option<Space>) -> Bound {
    let Some(mount) = mount else {
        return Bound::Nothing("the workspace's mount cannot be found in mountinfo".to_owned());
    };
    let Mount { at, whole: root, kind, project_quota } = mount;
    // Without a size of its own, as tmpfs may be, it has none.
    if at == workspace && *root && here.size > 0 {
        return Bound::Own;
    }
    if whole.is_some_and(|whole| here.size > 0 && here.size < whole.size) {
        return Bound::Quota;
    }
    let shown = at.display();
    Bound::Nothing(if *project_quota {
        format!(
            "the {kind} at `{shown}` enforces project quotas, but none with a limit holds the \
             workspace"
        )
    } else if WITH_PROJECTS.contains(&kind.as_str()) {
        format!("the {kind} at `{shown}` is mounted without project quotas (`prjquota`)")
    } else {
        format!("the {kind} at `{shown}` has no project quotas")
    })
}

/// The mount that `path` lies on: the longest way to it; of several at one place the
/// last, which covers the others.
fn mount_of(mountinfo: &[u8], path: &Path) -> Option<Mount> {
    let lines = mountinfo.split(|byte| *byte == b'\n').filter_map(parse);
    lines
        .filter(|mount| path.starts_with(&mount.at))
        .max_by_key(|mount| mount.at.components().count())
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let root = words.nth(3)?;
    let at = words.next()?;
    let mut after = words.skip_while(|word| *word != b"-").skip(1);
    let kind = String::from_utf8_lossy(after.next()?).into_owned();
    let options = after.nth(1)?;
    let mut options = options.split(|byte| *byte == b',');
    Some(Mount {
        at: PathBuf::from(OsString::from_vec(unescaped(at))),
        whole: root == b"/",
        kind,
        project_quota: options.any(|option| option == b"prjquota" || option == b"pquota"),
    })
}

/// Spaces and the like stand as three octal digits behind a backslash.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut left = word;
    while let [first, rest @ ..] = left {
        let code = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
        match (*first, rest.get(..3).and_then(code)) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                left = &rest[3..];
            }
            (byte, _) => {
                out.push(byte);
                left = rest;
            }
        }
    }
    out
}

fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} bytes"),
        1024..1_048_576 => format!("{} KiB", count >> 10),
        _ => format!("{} MiB", count >> 20),
    }
}

#[cfg(test)]
mod tests;
