//! The workspace: opened without symlinks, checked for its owner, and mapped so
//! that the cell's user owns inside what the owner owns on disk.

use std::os::fd::OwnedFd;

use cofferdam_plan::{Access, BuildStep, Layer, LayerReport};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use super::view::clone_of;
use super::{BuildError, During, Ids, Material};
use crate::sys::{self, MountAttributes};

/// Opens the workspace as a detached mount. `proc` is a /proc of this PID
/// namespace.
pub(crate) fn open(cell: &Material, proc: &OwnedFd) -> Result<(OwnedFd, LayerReport), BuildError> {
    let plan = &cell.plan().workspace;
    let refuse = |errno, why: &str| {
        BuildError::new(BuildStep::Workspace, errno, format!("workspace `{}` {why}", plan.path))
    };
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let directory =
        openat2(CWD, plan.path.as_path(), flags, Mode::empty(), resolve).map_err(|errno| {
            match errno {
                Errno::NOENT => refuse(errno, "does not exist; make it first"),
                Errno::LOOP => refuse(errno, "has a symlink in its path; name the real directory"),
                other => refuse(other, &format!("cannot be opened: {other}")),
            }
        })?;
    let stat = fstat(&directory).during(BuildStep::Workspace, "cannot look at the workspace")?;
    if !FileType::from_raw_mode(stat.st_mode).is_dir() {
        return Err(refuse(Errno::NOTDIR, "is not a directory"));
    }
    let mut attributes = MountAttributes::NO_SETUID | MountAttributes::NO_DEVICES;
    if plan.access == Access::Read {
        attributes |= MountAttributes::READ_ONLY;
    }
    if !plan.execute {
        attributes |= MountAttributes::NO_EXECUTE;
    }
    if cell.rootless {
        // The user's own rights on disk hold; locked mounts beneath must come along.
        let mount = clone_of(&directory, &MountAttributes::new(attributes), true)
            .during(BuildStep::Workspace, "cannot take the workspace from the host")?;
        return Ok((
            mount,
            LayerReport::effective(Layer::Workspace, "files belong to the calling user"),
        ));
    }
    if stat.st_uid == 0 && !cell.admitted.allow_root_owned() {
        let why = "belongs to root; give it to a user, or set `workspaces.allow_root_owned`";
        return Err(refuse(Errno::PERM, why));
    }
    let owner = Ids { uid: stat.st_uid, gid: stat.st_gid };
    let mount = map(&directory, attributes, owner, cell.user, proc)?;
    let detail = format!("files belong to uid {} gid {} on disk", owner.uid, owner.gid);
    Ok((mount, LayerReport::effective(Layer::Workspace, detail)))
}

/// An idmapped copy of the directory (mount_setattr(2)), without the mounts
/// beneath it: each of those could be of a file system that has other owners.
fn map(
    directory: &OwnedFd,
    attributes: u64,
    owner: Ids,
    cell: Ids,
    proc: &OwnedFd,
) -> Result<OwnedFd, BuildError> {
    let namespace = owner_namespace(owner, cell, proc)
        .during(BuildStep::IdMap, "cannot map the workspace's owner to the cell's user")?;
    clone_of(directory, &MountAttributes::mapped(attributes, &namespace), false)
        .during(BuildStep::IdMap, "the workspace's file system takes no mapped owners")
}

/// A user namespace that maps `owner` to `cell` and nobody else. It belongs to
/// a helper process that does nothing and is gone when this returns.
fn owner_namespace(owner: Ids, cell: Ids, proc: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let (wait, hold) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let Some((process, _)) = sys::clone(libc::CLONE_NEWUSER, None)? else {
        drop(hold);
        // Ends when the parent closes its end, or is gone.
        _ = rustix::io::read(&wait, &mut [0_u8]);
        sys::exit_now(0)
    };
    let namespace = write_maps(process, owner, cell, proc);
    drop(hold);
    waitpid(Some(process), WaitOptions::empty())?;
    namespace
}

fn write_maps(process: Pid, owner: Ids, cell: Ids, proc: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let process = process.as_raw_nonzero();
    let open = |file: &str, flags| {
        openat(proc, format!("{process}/{file}"), flags | OFlags::CLOEXEC, Mode::empty())
    };
    for (file, on_disk, inside) in
        [("uid_map", owner.uid, cell.uid), ("gid_map", owner.gid, cell.gid)]
    {
        let map = format!("{on_disk} {inside} 1");
        rustix::io::write(open(file, OFlags::WRONLY)?, map.as_bytes())?;
    }
    open("ns/user", OFlags::RDONLY)
}
