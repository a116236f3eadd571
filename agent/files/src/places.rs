//! Placeholders for protected paths of a workspace that are not there.
//!
//! A mount covers only what exists. So before a cell is built, the agent has
//! this worker make what the profile protects and nobody has made yet; the
//! cell's builder covers it, read-only, and once no cell needs it any more it is
//! removed again, unless somebody outside has put it to use meanwhile.
//!
//! What a placeholder is, [`placeholder`] says.
//!
//! Called by the agent alone, in a cell without protections of its own. What lies
//! in the workspace is hostile all the same: no symlink is followed on the way.

use std::path::{Path, PathBuf};

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;

use cofferdam_proto::file::v1::{
    PlaceFault, PlacesHeld, PlacesHold, PlacesRelease, PlacesReleased,
};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::bounds;
use crate::fault::FileFault;
use crate::place::Workspace;

mod appeared;
mod placeholder;

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
    placeholder::make(&parent(root, path)?, path)
}

fn remove(root: &OwnedFd, path: &Path) -> rustix::io::Result<()> {
    placeholder::remove(&parent(root, path)?, path)
}

fn fault(path: PathBuf, errno: Errno) -> PlaceFault {
    PlaceFault { path: bytes(path), message: errno.to_string() }
}

fn bytes(path: PathBuf) -> Vec<u8> {
    path.into_os_string().into_vec()
}
