//! A new file beside the one it is to become. Dropped before it is published,
//! it removes itself.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, fchmod, linkat, renameat_with};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// An unpublished file.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    /// Makes an empty file in the directory of `target`, readable by its owner
    /// only.
    pub(super) fn beside(target: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom(&mut random, GetRandomFlags::empty())?;
        let path = target.with_file_name(format!(".cofferdam-{:016x}", u64::from_ne_bytes(random)));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)?;
        Ok(Self { path, file })
    }

    /// Gives it its content and mode, durably.
    pub(super) fn fill(&mut self, data: &[u8], mode: Mode) -> io::Result<()> {
        self.file.write_all(data)?;
        fchmod(&self.file, mode)?;
        self.file.sync_all()
    }

    /// Puts it in the place of `target`, whatever is there.
    pub(super) fn publish(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        sync_directory(target)
    }

    /// Puts it at `target`, where nothing may be.
    pub(super) fn publish_new(self, target: &Path) -> io::Result<()> {
        match renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE) {
            // Not every file system knows the flag; a hard link refuses too.
            Err(Errno::INVAL | Errno::NOSYS) => {
                linkat(CWD, &self.path, CWD, target, AtFlags::empty())?;
            }
            renamed => renamed?,
        }
        sync_directory(target)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing left here, which is as it should be.
        match fs::remove_file(&self.path) {
            Ok(()) | Err(_) => {}
        }
    }
}

/// Makes the new name durable. A directory that cannot be opened for reading
/// keeps its write, only not its promptness.
fn sync_directory(target: &Path) -> io::Result<()> {
    match target.parent().map(File::open) {
        Some(Ok(directory)) => directory.sync_all(),
        _ => Ok(()),
    }
}
