//! A new file beside the one it is to become. Dropped before it is published,
//! it removes itself.
//!
//! One that takes its time to be filled has no name meanwhile (O_TMPFILE of
//! open(2)): however its process ends, the kernel removes it. Where a file system
//! knows no such files, it has a hidden name from the beginning.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, fchmod, linkat, open, renameat_with};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::expected::Expected;

/// How often an exchange is undone for somebody who goes on writing.
const UNDOES: usize = 64;

/// An unpublished file.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    file: File,
    /// It can be found by its path.
    named: bool,
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
        let path = hidden(target)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)?;
        Ok(Self { path, file, named: true, kept: false })
    }

    /// The same without a name, where the file system can.
    pub(crate) fn unnamed(target: &Path) -> io::Result<Self> {
        let directory = target.parent().unwrap_or(Path::new("/"));
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match open(directory, flags, Mode::RUSR | Mode::WUSR) {
            // What older kernels and file systems say who do not know the flag.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Self::beside(target),
            Err(errno) => Err(errno.into()),
            Ok(file) => {
                let (path, file) = (hidden(target)?, File::from(file));
                Ok(Self { path, file, named: false, kept: false })
            }
        }
    }

    /// What it is filled through.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whether it goes by itself, however its process ends.
    pub(crate) fn is_unnamed(&self) -> bool {
        !self.named
    }

    /// Gives it its content and mode, durably.
    pub(super) fn fill(&mut self, data: &[u8], mode: Mode) -> io::Result<()> {
        self.file.write_all(data)?;
        self.settle(mode)
    }

    /// Gives it its mode, and makes it durable.
    pub(super) fn settle(&self, mode: Mode) -> io::Result<()> {
        fchmod(&self.file, mode)?;
        self.file.sync_all()
    }

    /// Gives it the name `path`, where nothing may be.
    fn link(&self, path: &Path) -> io::Result<()> {
        match linkat(&self.file, "", CWD, path, AtFlags::EMPTY_PATH) {
            // Before Linux 6.10 that took a capability; the long way does not.
            Err(Errno::NOENT | Errno::PERM) => {
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                Ok(linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
            }
            linked => Ok(linked?),
        }
    }

    /// Makes it findable by its own path.
    fn appear(&mut self) -> io::Result<()> {
        if !self.named {
            self.link(&self.path)?;
            self.named = true;
        }
        Ok(())
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Gives it to this user and group, as far as the kernel lets us.
    pub(super) fn give(&self, uid: u32, gid: u32) -> io::Result<()> {
        std::os::unix::fs::fchown(&self.file, Some(uid), Some(gid))
    }

    /// Puts it in the place of `target`, if that is what is `expected` at that very
    /// moment. Where it is not, both are put back.
    pub(super) fn exchange(mut self, target: &Path, expected: Expected) -> io::Result<Exchanged> {
        self.appear()?;
        let path = self.path.clone();
        let swap = || renameat_with(CWD, &path, CWD, target, RenameFlags::EXCHANGE);
        match swap() {
            Err(Errno::INVAL | Errno::NOSYS) => return Ok(Exchanged::Cannot(self)),
            swapped => swapped?,
        }
        let found = open_own(&self.path).and_then(|file| expected.is_still(file));
        if found.is_ok_and(|is_still| is_still) {
            // What was replaced goes with the draft's name.
            drop(self);
            sync_directory(target)?;
            return Ok(Exchanged::Done);
        }
        let undone = self.file.try_clone().and_then(|own| self.put_back(own, swap));
        if undone.is_err() {
            // Somebody took one of them away in between. What was there before
            // stays, under the name that it has.
            self.kept = true;
        }
        undone.map(|()| Exchanged::Undone)
    }

    /// Undoes a swap. `ours` is what it put in the target's place. Where somebody put
    /// something else there meanwhile, that comes out now, and goes back in its turn:
    /// what was written last stays.
    fn put_back(
        &self,
        mut ours: File,
        swap: impl Fn() -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        for _ in 0..UNDOES {
            // Held open, so that no other file gets its inode.
            let returned = refer(&self.path)?;
            swap()?;
            if id(&refer(&self.path)?)? == id(&ours)? {
                return Ok(());
            }
            ours = returned;
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Puts it in the place of `target`, whatever is there.
    pub(super) fn publish(mut self, target: &Path) -> io::Result<()> {
        self.appear()?;
        fs::rename(&self.path, target)?;
        sync_directory(target)
    }

    /// Puts it at `target`, where nothing may be.
    pub(super) fn publish_new(self, target: &Path) -> io::Result<()> {
        if !self.named {
            self.link(target)?;
            return sync_directory(target);
        }
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
        if self.kept || !self.named {
            return;
        }
        // After a rename there is nothing left here, which is as it should be.
        match fs::remove_file(&self.path) {
            Ok(()) | Err(_) => {}
        }
    }
}

/// Refers to what has this name, of whatever kind, and does not open it.
fn refer(path: &Path) -> io::Result<File> {
    Ok(open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// Device and inode.
fn id(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// A name beside `target` that nothing has.
fn hidden(target: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom(&mut random, GetRandomFlags::empty())?;
    Ok(target.with_file_name(format!(".cofferdam-{:016x}", u64::from_ne_bytes(random))))
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
