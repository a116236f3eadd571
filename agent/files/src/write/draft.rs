//! A new file beside the one it is to become. Dropped before it is published,
//! it removes itself.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, fchmod, linkat, renameat_with};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::target::digest;

/// An unpublished file.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    file: File,
    /// What its name stands for is not to be removed.
    kept: bool,
}

/// What came of an exchange.
pub(super) enum Exchanged {
    /// The draft is in its target's place, which had what was expected.
    Done,
    /// The target had something else; it is as it was.
    Undone,
    /// The file system does not exchange.
    Cannot(Draft),
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
        Ok(Self { path, file, kept: false })
    }

    /// Gives it its content and mode, durably.
    pub(super) fn fill(&mut self, data: &[u8], mode: Mode) -> io::Result<()> {
        self.file.write_all(data)?;
        fchmod(&self.file, mode)?;
        self.file.sync_all()
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Gives it to this user and group, as far as the kernel lets us.
    pub(super) fn give(&self, uid: u32, gid: u32) -> io::Result<()> {
        std::os::unix::fs::fchown(&self.file, Some(uid), Some(gid))
    }

    /// Puts it in the place of `target`, if that has the SHA-256 `expected` at that
    /// very moment. Where it has not, both are put back.
    pub(super) fn exchange(mut self, target: &Path, expected: [u8; 32]) -> io::Result<Exchanged> {
        let path = self.path.clone();
        let swap = || renameat_with(CWD, &path, CWD, target, RenameFlags::EXCHANGE);
        match swap() {
            Err(Errno::INVAL | Errno::NOSYS) => return Ok(Exchanged::Cannot(self)),
            swapped => swapped?,
        }
        let found = open_own(&self.path).and_then(digest);
        if found.is_ok_and(|found| found == expected) {
            // What was replaced goes with the draft's name.
            drop(self);
            sync_directory(target)?;
            return Ok(Exchanged::Done);
        }
        if let Err(error) = swap() {
            // Somebody took one of them away in between. What was there before
            // stays, under the name that it has.
            self.kept = true;
            return Err(error.into());
        }
        Ok(Exchanged::Undone)
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
        if self.kept {
            return;
        }
        // After a rename there is nothing left here, which is as it should be.
        match fs::remove_file(&self.path) {
            Ok(()) | Err(_) => {}
        }
    }
}

/// Opens what the draft's name stands for, without waiting for anybody.
fn open_own(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Makes the new name durable. A directory that cannot be opened for reading
/// keeps its write, only not its promptness.
fn sync_directory(target: &Path) -> io::Result<()> {
    match target.parent().map(File::open) {
        Some(Ok(directory)) => directory.sync_all(),
        _ => Ok(()),
    }
}
