//! Placeholders for protected paths of a workspace that are not there.
//!
//! A mount covers only what exists. So before a cell is built, the agent has
//! this worker make what the profile protects and nobody has made yet; the
//! cell's builder covers it, read-only, and once no cell needs it any more it is
//! removed again, unless somebody outside has put it to use meanwhile.
//!
//! A placeholder is an empty directory: git does not see it, and rmdir(2) looks
//! whether it is still empty and removes it in one step. Only git's own
//! configuration is held by an empty file, because git takes a directory there
//! for damage.
//!
//! Called by the agent alone, in a cell without protections of its own. What lies
//! in the workspace is hostile all the same: no symlink is followed on the way.

use std::path::{Component, Path, PathBuf};

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use cofferdam_proto::file::v1::{
    PlaceFault, PlacesHeld, PlacesHold, PlacesRelease, PlacesReleased,
};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::bounds;
use crate::fault::FileFault;
use crate::place::Workspace;

mod appeared;

/// Makes what is missing.
pub(crate) fn hold(workspace: &Workspace, request: PlacesHold) -> Result<PlacesHeld, FileFault> {
    let paths = checked(request.paths)?;
    let root = open_root(workspace)?;
    let mut held = PlacesHeld::default();
    for path in paths {
        match make(&root, &path) {
            Ok(()) => held.made.push(bytes(path)),
            // Whatever it is: what is there is covered as it is.
            Err(Errno::EXIST) => {}
            // Its parent is no directory that can be reached without a symlink.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => held.homeless.push(bytes(path)),
            Err(errno) => held.failed.push(fault(path, errno)),
        }
    }
    Ok(held)
}

/// Removes placeholders, and looks for what appeared.
pub(crate) fn release(
    workspace: &Workspace,
    request: PlacesRelease,
) -> Result<PlacesReleased, FileFault> {
    let PlacesRelease { paths, protected, since } = request;
    let (paths, protected) = (checked(paths)?, checked(protected)?);
    let root = open_root(workspace)?;
    let mut released = PlacesReleased::default();
    // What lies deeper first: one placeholder may lie in another.
    for path in paths.into_iter().rev() {
        match remove(&root, &path) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) => released.kept.push(bytes(path)),
            Err(errno) => released.failed.push(fault(path, errno)),
        }
    }
    if let Some(since) = since {
        let appeared = appeared::since(workspace.path(), &protected, &since);
        released.appeared = appeared.paths.into_iter().map(bytes).collect();
        released.truncated = appeared.truncated;
    }
    Ok(released)
}

/// The form of the paths; parents before what lies in them.
fn checked(paths: Vec<Vec<u8>>) -> Result<Vec<PathBuf>, FileFault> {
    if paths.len() > bounds::PLACES {
        let most = bounds::PLACES;
        return Err(FileFault::Invalid(format!("more than {most} protected paths")));
    }
    let mut paths = paths.into_iter().map(normal).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn normal(path: Vec<u8>) -> Result<PathBuf, FileFault> {
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    let fits = path.len() <= bounds::PLACE && !path.contains(&0);
    if fits && path.split(|&byte| byte == b'/').all(plain) {
        return Ok(OsString::from_vec(path).into());
    }
    let shown = String::from_utf8_lossy(&path[..path.len().min(64)]).into_owned();
    Err(FileFault::Invalid(format!("`{shown}` is no protected path of a workspace")))
}

fn open_root(workspace: &Workspace) -> Result<OwnedFd, FileFault> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, workspace.path(), flags, Mode::empty()).map_err(|errno| FileFault::System {
        operation: "open the workspace",
        path: workspace.path().to_owned(),
        errno,
    })
}

/// The directory that `path` lies in, without following a symlink.
fn parent(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut directory = openat(root, c".", flags, Mode::empty())?;
    for part in path.parent().into_iter().flat_map(Path::components) {
        directory = openat(&directory, part.as_os_str(), flags, Mode::empty())?;
    }
    Ok(directory)
}

fn make(root: &OwnedFd, path: &Path) -> rustix::io::Result<()> {
    let (parent, name) = (parent(root, path)?, path.file_name().ok_or(Errno::INVAL)?);
    if is_git_configuration(path) {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::from_raw_mode(0o600)).map(drop)
    } else {
        mkdirat(&parent, name, Mode::from_raw_mode(0o700))
    }
}

fn remove(root: &OwnedFd, path: &Path) -> rustix::io::Result<()> {
    let (parent, name) = (parent(root, path)?, path.file_name().ok_or(Errno::INVAL)?);
    if !is_git_configuration(path) {
        return unlinkat(&parent, name, AtFlags::REMOVEDIR);
    }
    // As git does it: who holds the lock file changes the configuration.
    let mut lock = name.to_owned();
    lock.push(".lock");
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(openat(&parent, &lock, flags, Mode::from_raw_mode(0o600))?);
    let removed = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if is_empty_file(&found) => unlinkat(&parent, name, AtFlags::empty()),
        Ok(_) => Err(Errno::NOTEMPTY),
        Err(errno) => Err(errno),
    };
    let unlocked = unlinkat(&parent, &lock, AtFlags::empty());
    removed.and(unlocked)
}

/// Whether git reads `path` as a file of settings: `config` or `config.worktree`
/// in a `.git`. Whatever lies in there is never committed.
fn is_git_configuration(path: &Path) -> bool {
    let mut above = path.components().rev().skip(1);
    let name = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"config"));
    name && above.next() == Some(Component::Normal(".git".as_ref()))
}

fn is_empty_file(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile && found.st_size == 0
}

fn fault(path: PathBuf, errno: Errno) -> PlaceFault {
    PlaceFault { path: bytes(path), message: errno.to_string() }
}

fn bytes(path: PathBuf) -> Vec<u8> {
    path.into_os_string().into_vec()
}
