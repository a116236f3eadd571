//! Copies a file, or a directory with all that is in it.
//!
//! The copy is made under a name of its own and takes its place when it is
//! complete, so that nobody ever sees half of it, and one that fails leaves
//! nothing. Data is shared or copied within the kernel where the file system can.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use cofferdam_proto::file::v1::{FileCopied, FileCopy, FileKind};
use rustix::fs::{
    FileType, Mode, OFlags, RenameFlags, fchmod, fstat, mkdirat, openat, readlinkat, renameat,
    renameat_with, symlinkat,
};
use rustix::process::{Resource, getrlimit};

use super::tree::{Level, Limits};
use super::{expect_asked, expect_free};
use crate::bounds;
use crate::fault::FileFault;
use crate::place::{Place, Workspace};
use crate::seat::{self, Seat};

const OPERATION: &str = "copy";
/// Bytes between two looks at the time.
const CHUNK: u64 = 64 << 20;
/// Paths of what was left out that are told.
const TOLD: usize = 20;

/// A copy in the making.
struct Copy {
    limits: Limits,
    copied: FileCopied,
}

/// Copies it.
pub(crate) fn copy(workspace: &Workspace, request: FileCopy) -> Result<FileCopied, FileFault> {
    let FileCopy { from, to, overwrite, recursive } = request;
    let (from, to) = (workspace.place(from)?, workspace.place(to)?);
    let (old, new) = (Seat::of(&from, OPERATION)?, Seat::of(&to, OPERATION)?);
    let kind = expect_asked(&old, old.kind(OPERATION)?, recursive, OPERATION)?;
    let replaces = expect_free(&new, new.kind(OPERATION)?, overwrite)?;
    if !matches!(kind, FileKind::Regular | FileKind::Directory | FileKind::Symlink) {
        let path = old.shown().to_owned();
        return Err(FileFault::WrongKind { path, found: kind, needed: "a file or a directory" });
    }
    if kind == FileKind::Directory {
        expect_outside(&from, &to)?;
    }
    let draft = draft_name().map_err(FileFault::io(OPERATION, new.shown()))?;
    let mut copy = Copy { limits: Limits::new(OPERATION), copied: FileCopied::default() };
    let name = CString::new(old.name().as_bytes()).unwrap_or_default();
    let wire = file_type(kind);
    let made = copy.entry(old.directory(), &name, wire, new.directory(), &draft, old.shown(), 0);
    let published = made.and_then(|()| publish(&new, &draft, replaces && overwrite, kind));
    if let Err(fault) = published {
        // What was made so far goes; what cannot be removed is the workspace's.
        discard(&to, &draft);
        return Err(fault);
    }
    new.sync();
    Ok(copy.copied)
}

fn file_type(kind: FileKind) -> FileType {
    match kind {
        FileKind::Directory => FileType::Directory,
        FileKind::Symlink => FileType::Symlink,
        _ => FileType::RegularFile,
    }
}

/// A directory cannot be copied into itself.
fn expect_outside(from: &Place, to: &Place) -> Result<(), FileFault> {
    let real = |path: &Path| fs::canonicalize(path);
    let source = real(from.full()).map_err(FileFault::io(OPERATION, from.asked()))?;
    let parent = to.full().parent().unwrap_or(Path::new("/"));
    let target = real(parent).map_err(FileFault::io(OPERATION, to.asked()))?;
    if target.starts_with(&source) {
        return Err(FileFault::Invalid(format!(
            "`{}` cannot be copied into itself",
            from.asked().display()
        )));
    }
    Ok(())
}

fn draft_name() -> io::Result<CString> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let name = format!(".cofferdam-{:016x}", u64::from_ne_bytes(random));
    CString::new(name).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn publish(new: &Seat, draft: &CString, replaces: bool, kind: FileKind) -> Result<(), FileFault> {
    let directory = new.directory();
    let renamed = if replaces && kind != FileKind::Directory {
        renameat(directory, draft, directory, new.name())
    } else {
        renameat_with(directory, draft, directory, new.name(), RenameFlags::NOREPLACE)
    };
    match renamed {
        Err(rustix::io::Errno::EXIST) => Err(FileFault::Precondition {
            path: new.shown().to_owned(),
            problem: "is there already; set overwrite to replace it".to_owned(),
        }),
        renamed => renamed.map_err(FileFault::errno(OPERATION, new.shown())),
    }
}

fn discard(to: &Place, draft: &CString) {
    let Some(parent) = to.full().parent() else { return };
    let path = parent.join(OsStr::from_bytes(draft.as_bytes()));
    let removed = match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path),
        Ok(_) => fs::remove_file(&path),
        Err(_) => Ok(()),
    };
    drop(removed);
}

impl Copy {
    /// Copies the entry `name` of `from` to `target` of `to`.
    #[expect(clippy::too_many_arguments, reason = "two names in two directories, and where we are")]
    fn entry(
        &mut self,
        from: BorrowedFd<'_>,
        name: &CString,
        kind: FileType,
        to: BorrowedFd<'_>,
        target: &CString,
        shown: &Path,
        depth: usize,
    ) -> Result<(), FileFault> {
        self.limits.take(shown)?;
        match kind {
            FileType::Directory => self.directory(from, name, to, target, shown, depth),
            FileType::RegularFile => self.file(from, name, to, target, shown),
            FileType::Symlink => {
                let fault = FileFault::errno(OPERATION, shown);
                let link = readlinkat(from, name, Vec::new())
                    .and_then(|link| symlinkat(&link, to, target));
                link.map_err(fault)?;
                self.copied.links += 1;
                Ok(())
            }
            _ => {
                self.copied.left_out_count += 1;
                if self.copied.left_out.len() < TOLD {
                    self.copied.left_out.push(shown.as_os_str().to_owned().into_vec());
                }
                Ok(())
            }
        }
    }

    fn directory(
        &mut self,
        from: BorrowedFd<'_>,
        name: &CString,
        to: BorrowedFd<'_>,
        target: &CString,
        shown: &Path,
        depth: usize,
    ) -> Result<(), FileFault> {
        let fault = || FileFault::errno(OPERATION, shown);
        let os_name = OsStr::from_bytes(name.as_bytes());
        let source = Level::open(from, os_name, shown.to_owned(), depth, &self.limits)?;
        mkdirat(to, target, Mode::RWXU).map_err(fault())?;
        let os_target = OsStr::from_bytes(target.as_bytes());
        let made = Level::open(to, os_target, shown.to_owned(), depth, &self.limits)?;
        for (name, kind) in source.entries(&mut self.limits)? {
            let path = source.path_of(&name);
            self.entry(source.fd(), &name, kind, made.fd(), &name, &path, depth + 1)?;
        }
        let bits = fstat(source.fd()).map_err(fault())?.st_mode & 0o777;
        fchmod(made.fd(), Mode::from_raw_mode(bits)).map_err(fault())?;
        self.copied.directories += 1;
        Ok(())
    }

    fn file(
        &mut self,
        from: BorrowedFd<'_>,
        name: &CString,
        to: BorrowedFd<'_>,
        target: &CString,
        shown: &Path,
    ) -> Result<(), FileFault> {
        let fault = || FileFault::errno(OPERATION, shown);
        // Whatever took its place meanwhile is neither followed nor waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let source = openat(from, name, flags | OFlags::CLOEXEC, Mode::empty()).map_err(fault())?;
        let stat = fstat(&source).map_err(fault())?;
        let found = FileType::from_raw_mode(stat.st_mode);
        if found != FileType::RegularFile {
            let path = shown.to_owned();
            let found = seat::kind(found);
            return Err(FileFault::WrongKind { path, found, needed: "a regular file" });
        }
        let limit = self.most();
        expect_room(u64::try_from(stat.st_size).unwrap_or(0), limit, shown)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let made =
            openat(to, target, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR).map_err(fault())?;
        let made = File::from(made);
        let bytes = self.data(&File::from(source), &made, limit, shown)?;
        fchmod(&made, Mode::from_raw_mode(stat.st_mode & 0o777)).map_err(fault())?;
        self.copied.files += 1;
        self.copied.bytes += bytes;
        Ok(())
    }

    /// Bytes that the next file may have: what is left of the copy's, and no more than
    /// the cell lets a file have, for whoever writes on is killed (SIGXFSZ).
    fn most(&self) -> u64 {
        let of_a_file = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
        bounds::COPIED.saturating_sub(self.copied.bytes).min(of_a_file)
    }

    fn data(
        &mut self,
        source: &File,
        target: &File,
        limit: u64,
        shown: &Path,
    ) -> Result<u64, FileFault> {
        let fault = || FileFault::io(OPERATION, shown);
        let mut bytes = 0;
        if rustix::fs::ioctl_ficlone(target.as_fd(), source.as_fd()).is_ok() {
            bytes = target.metadata().map_err(fault())?.len();
        } else {
            // The standard library lets the kernel copy where it can.
            loop {
                let chunk = CHUNK.min(limit - bytes);
                let copied = io::copy(&mut source.take(chunk), &mut &*target).map_err(fault())?;
                bytes += copied;
                self.limits.take(shown)?;
                if copied < chunk || chunk == 0 {
                    break;
                }
            }
            // It may have grown meanwhile.
            expect_room(source.metadata().map_err(fault())?.len(), limit, shown)?;
        }
        // Of a tree the kernel writes the rest in its own time.
        if self.copied.files == 0 {
            target.sync_data().map_err(fault())?;
        }
        Ok(bytes)
    }
}

fn expect_room(actual: u64, limit: u64, shown: &Path) -> Result<(), FileFault> {
    if actual <= limit {
        return Ok(());
    }
    let path = shown.to_owned();
    Err(FileFault::TooLarge { operation: "a copy", path, actual, limit })
}
