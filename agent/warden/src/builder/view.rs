//! The cell's root: a read-only tmpfs that shows what the plan names and
//! nothing else.
//!
//! Everything is assembled on detached mounts and moved into place by
//! descriptor; mount points are found without following a symlink, because what
//! lies in a workspace belongs to strangers.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cofferdam_plan::{
    AbsolutePath, BuildStep, CellPlan, Layer, LayerReport, ScratchPlan, WorkspacePlan,
};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount,
    fsopen, mount_change, move_mount, open_tree, unmount,
};

use super::{BuildError, During, Ids, Material, devices, workspace};
use crate::sys::{MountAttributes, set_mount_attributes};

/// Builds the root and makes it this process's.
pub(crate) fn build(cell: &Material) -> Result<[LayerReport; 3], BuildError> {
    let plan = cell.plan();
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .during(BuildStep::View, "cannot make the mounts private")?;
    // /proc first: it also serves to map the workspace's owner.
    let proc = devices::new_proc()?;
    let (workspace, workspace_report) = workspace::open(cell, &proc)?;
    let mut root = Root::new()?;
    root.populate(cell, workspace)?;
    root.protect(plan)?;
    root.cover_sockets(plan)?;
    devices::fill(&root, &proc)?;
    devices::name_the_user(&root, plan, cell.user)?;
    root.enter()?;
    let user = if cell.rootless { ", user" } else { "" };
    let namespaces = format!("mount, pid, ipc, uts, cgroup{user}");
    let namespaces = LayerReport::effective(Layer::Namespaces, namespaces);
    let view = format!("{} host paths read-only, {} private", plan.binds.len(), plan.scratch.len());
    Ok([namespaces, LayerReport::effective(Layer::View, view), workspace_report])
}

/// The new root, on its way.
pub(crate) struct Root {
    mount: OwnedFd,
    /// The devices of the tmpfs that are this cell's own: mount points may be
    /// made in them, and nowhere else.
    own: Vec<u64>,
}

impl Root {
    fn new() -> Result<Self, BuildError> {
        let mount = tmpfs("size=1m,nr_inodes=4096,mode=755")?;
        // Any directory will do to stage it, as nobody else sees this namespace.
        move_mount(&mount, c"", CWD, c"/proc", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .during(BuildStep::View, "cannot stage the root")?;
        let own = fstat(&mount).during(BuildStep::View, "cannot look at the root")?.st_dev;
        Ok(Self { mount, own: vec![own] })
    }

    /// Puts every piece of the plan in its place, parents before children.
    fn populate(&mut self, cell: &Material, workspace: OwnedFd) -> Result<(), BuildError> {
        let plan = cell.plan();
        let mut pieces = vec![(&plan.workspace.path, workspace)];
        for bind in &plan.binds {
            let mut attributes = MountAttributes::READ_ONLY
                | MountAttributes::NO_SETUID
                | MountAttributes::NO_DEVICES;
            if !bind.execute {
                attributes |= MountAttributes::NO_EXECUTE;
            }
            if let Some(mount) = clone_of_host(&bind.path, attributes)? {
                pieces.push((&bind.path, mount));
            }
        }
        for scratch in &plan.scratch {
            let mount = new_scratch(scratch, plan, cell.user)?;
            let device = fstat(&mount).during(BuildStep::View, "cannot look at a scratch place")?;
            self.own.push(device.st_dev);
            pieces.push((&scratch.path, mount));
        }
        pieces.sort_by_key(|(path, _)| *path);
        for (path, mount) in pieces {
            let what = format!("cannot show `{path}`");
            let kind = fstat(&mount).during(BuildStep::View, &what)?.st_mode;
            self.attach(mount, path, FileType::from_raw_mode(kind).is_dir())
                .during(BuildStep::View, &what)?;
        }
        for link in &plan.links {
            let (parent, name) = split(link.path.as_bytes());
            let link_at = |parent| rustix::fs::symlinkat(&*link.target, parent, name);
            let made = self.directory(parent).and_then(link_at);
            if made != Err(Errno::EXIST) {
                made.during(BuildStep::View, &format!("cannot make the link `{}`", link.path))?;
            }
        }
        Ok(())
    }

    /// Covers what stays read-only in the workspace with itself, read-only. What is
    /// not there cannot be covered; a symlink on the way is an error. The
    /// directories above are covered with themselves: a mount point cannot be
    /// renamed out of the way; a file above, read-only.
    fn protect(&self, plan: &CellPlan) -> Result<(), BuildError> {
        let WorkspacePlan { path: workspace, protected, .. } = &plan.workspace;
        let mut pinned = BTreeSet::from([workspace.as_path()]);
        for path in protected {
            let mut above: Vec<_> = path.as_path().ancestors().skip(1).collect();
            above.retain(|above| above.starts_with(workspace.as_path()) && pinned.insert(above));
            let above = above.into_iter().rev().map(|above| (above, 0));
            above
                .chain([(path.as_path(), MountAttributes::READ_ONLY)])
                .try_for_each(|(path, attributes)| self.cover(path, attributes))
                .or_else(|errno| match errno {
                    // Not there, or a file where a directory would be.
                    Errno::NOENT | Errno::NOTDIR => Ok(()),
                    other => Err(other),
                })
                .during(BuildStep::Workspace, &format!("cannot protect `{path}`"))?;
        }
        Ok(())
    }

    fn cover(&self, path: &Path, flags: u64) -> rustix::io::Result<()> {
        let (parent, name) = split(path.as_os_str().as_bytes());
        let place = self.place(&self.directory(parent)?, name, OFlags::empty())?;
        let flags = match FileType::from_raw_mode(fstat(&place)?.st_mode) {
            FileType::Directory => flags,
            // Also on the way: the `.git` of a worktree is a file that leads elsewhere.
            _ => MountAttributes::READ_ONLY,
        };
        move_onto(clone_of(&place, &MountAttributes::new(flags), false)?, &place)
    }

    /// Covers the host's sockets in the workspace with nothing, because writing is
    /// not what reaches them. Strangers choose the names: what is no socket stays as
    /// it is, and what no path leads to is reached by nobody.
    fn cover_sockets(&self, plan: &CellPlan) -> Result<(), BuildError> {
        let cover = |path: &AbsolutePath| {
            let (flags, resolve) = (OFlags::PATH | OFlags::CLOEXEC, ResolveFlags::IN_ROOT);
            let place = openat2(&self.mount, path.as_path(), flags, Mode::empty(), resolve)?;
            if FileType::from_raw_mode(fstat(&place)?.st_mode) != FileType::Socket {
                return Ok(());
            }
            let null = openat(CWD, c"/dev/null", flags, Mode::empty())?;
            move_onto(clone_of(&null, &MountAttributes::default(), false)?, &place)
        };
        plan.workspace.sockets.iter().try_for_each(|path| match cover(path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => Ok(()),
            other => other.during(BuildStep::Workspace, &format!("cannot cover `{path}`")),
        })
    }

    /// Moves a detached mount to `path`, making the mount point if it is not
    /// there and one of the cell's own tmpfs would hold it.
    pub(crate) fn attach(
        &self,
        mount: impl AsFd,
        path: &AbsolutePath,
        is_directory: bool,
    ) -> rustix::io::Result<()> {
        let (parent, name) = split(path.as_bytes());
        let kind = if is_directory { OFlags::DIRECTORY } else { OFlags::empty() };
        let point = self.place(&self.directory(parent)?, name, kind)?;
        move_onto(mount, &point)
    }

    /// Opens the directory at `path` in the new root, component by component,
    /// without symlinks; makes what is missing, in the cell's own tmpfs only.
    pub(crate) fn directory(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        let mut directory = self.mount.try_clone().map_err(|_| Errno::MFILE)?;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            directory = self.place(&directory, name, OFlags::DIRECTORY)?;
        }
        Ok(directory)
    }

    /// Opens `name` in `parent`; makes it if it is missing, a file or with
    /// `O_DIRECTORY` a directory.
    fn place(&self, parent: &OwnedFd, name: &[u8], kind: OFlags) -> rustix::io::Result<OwnedFd> {
        let open = || {
            let flags = OFlags::PATH | OFlags::CLOEXEC | kind;
            let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
            openat2(parent, name, flags, Mode::empty(), resolve)
        };
        match open() {
            Err(Errno::NOENT) if self.own.contains(&fstat(parent)?.st_dev) => {
                if kind.is_empty() {
                    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                    drop(openat(parent, name, flags, Mode::from_raw_mode(0o444))?);
                } else {
                    mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
                }
                open()
            }
            other => other,
        }
    }

    /// Makes this the root of the process, read-only, and lets the old one go.
    fn enter(self) -> Result<(), BuildError> {
        set_mount_attributes(&self.mount, &MountAttributes::new(MountAttributes::READ_ONLY), false)
            .during(BuildStep::PivotRoot, "cannot make the root read-only")?;
        rustix::process::fchdir(&self.mount)
            .and_then(|()| rustix::process::pivot_root(c".", c"."))
            // The old root is stacked over the new one; take it off.
            .and_then(|()| unmount(c".", UnmountFlags::DETACH))
            .and_then(|()| rustix::process::chdir(c"/"))
            .during(BuildStep::PivotRoot, "cannot change the root")
    }
}

/// A detached copy of a host path with all mounts beneath and the attributes
/// on each of them; `None` when the host has no such path.
pub(crate) fn clone_of_host(
    path: &AbsolutePath,
    attributes: u64,
) -> Result<Option<OwnedFd>, BuildError> {
    let what = format!("cannot take `{path}` from the host");
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let source = match openat2(CWD, path.as_path(), flags, Mode::empty(), resolve) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.during(BuildStep::View, &what)?,
    };
    clone_of(&source, &MountAttributes::new(attributes), true)
        .during(BuildStep::View, &what)
        .map(Some)
}

/// A detached copy of what a descriptor names.
pub(crate) fn clone_of(
    source: &OwnedFd,
    attributes: &MountAttributes,
    recursive: bool,
) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    let mount = open_tree(source, c"", flags)?;
    set_mount_attributes(&mount, attributes, recursive)?;
    Ok(mount)
}

fn new_scratch(scratch: &ScratchPlan, plan: &CellPlan, user: Ids) -> Result<OwnedFd, BuildError> {
    let inodes = (scratch.bytes / 4096).clamp(1024, 1 << 20);
    let owner = if scratch.path == plan.home {
        format!("mode=700,uid={},gid={}", user.uid, user.gid)
    } else {
        "mode=1777".into()
    };
    let mount = tmpfs(&format!("size={},nr_inodes={inodes},{owner}", scratch.bytes))?;
    if !scratch.execute {
        let attributes = MountAttributes::new(MountAttributes::NO_EXECUTE);
        set_mount_attributes(&mount, &attributes, false)
            .during(BuildStep::View, "cannot make a scratch place noexec")?;
    }
    Ok(mount)
}

/// A detached tmpfs, nosuid and nodev.
fn tmpfs(options: &str) -> Result<OwnedFd, BuildError> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    new_file_system("tmpfs", options, attributes).during(BuildStep::View, "cannot make a tmpfs")
}

/// A detached file system; its options as for mount(8).
pub(crate) fn new_file_system(
    kind: &str,
    options: &str,
    attributes: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some((key, value)) => fsconfig_set_string(&context, key, value)?,
            None => fsconfig_set_flag(&context, option)?,
        }
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn move_onto(mount: impl AsFd, place: &OwnedFd) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", place, c"", flags)
}

/// Parent and last component of an absolute path.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let slash = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    (&path[..slash], &path[slash + 1..])
}
