//! /proc, /dev and the user's name: what every cell has, whatever its plan.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cofferdam_plan::{AbsolutePath, BuildStep, CellPlan};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::view::{Root, clone_of, clone_of_host, new_file_system};
use super::{BuildError, During, Ids};
use crate::sys::{MountAttributes, set_mount_attributes};

/// Of /dev: devices without side effects; tty is whatever terminal a run has of
/// its own. Never kmsg, mem, fuse, kvm, vsock.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What /proc tells about the host that no program in a cell needs: covered by
/// /dev/null where the kernel has it.
const MASKED: [&str; 7] =
    ["kcore", "keys", "key-users", "locks", "timer_list", "kallsyms", "sysrq-trigger"];

/// A /proc of this PID namespace, detached.
pub(crate) fn new_proc() -> Result<OwnedFd, BuildError> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    new_file_system("proc", "", attributes).during(
        BuildStep::Devices,
        "cannot mount /proc (inside a container that masks parts of /proc this is refused)",
    )
}

/// Terminals of this cell's own (Documentation/filesystems/devpts.rst).
fn new_terminals() -> Result<OwnedFd, BuildError> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    new_file_system("devpts", "newinstance,ptmxmode=0666,mode=600,max=64", attributes)
        .during(BuildStep::Devices, "cannot mount /dev/pts")
}

/// Puts /proc and /dev in their places. All of /proc is read-only: the check of
/// a directory's mount is no help against files that belong to root, a
/// read-only mount is.
pub(crate) fn fill(root: &Root, proc: &OwnedFd) -> Result<(), BuildError> {
    set_mount_attributes(proc, &MountAttributes::new(MountAttributes::READ_ONLY), false)
        .during(BuildStep::Devices, "cannot make /proc read-only")?;
    attach(root, proc, "/proc", true)?;
    attach(root, &new_terminals()?, "/dev/pts", true)?;
    let attributes = MountAttributes::NO_SETUID | MountAttributes::NO_EXECUTE;
    for device in DEVICES {
        let device = format!("/dev/{device}");
        let mount = clone_of_host(&path(&device)?, attributes)?.ok_or(Errno::NOENT);
        let mount = mount.during(BuildStep::Devices, &format!("the host's `{device}`"))?;
        attach(root, &mount, &device, false)?;
    }
    let open =
        |at: BorrowedFd<'_>, name| openat(at, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let null = open(CWD, "/dev/null").during(BuildStep::Devices, "cannot open /dev/null")?;
    for masked in MASKED.into_iter().filter(|masked| open(proc.as_fd(), masked).is_ok()) {
        let cover = clone_of(&null, &MountAttributes::new(attributes), false)
            .during(BuildStep::Devices, "cannot copy /dev/null")?;
        attach(root, &cover, &format!("/proc/{masked}"), false)?;
    }
    Ok(())
}

/// Covers /etc/passwd and /etc/group with files that know the cell's user,
/// because programs ask who they are, and nobody of the host's.
pub(crate) fn name_the_user(root: &Root, plan: &CellPlan, user: Ids) -> Result<(), BuildError> {
    let Ids { uid, gid } = user;
    let home = plan.home.as_path().display();
    let overflow = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin";
    let passwd = format!(
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\ncell:x:{uid}:{gid}::{home}:/bin/sh\n{overflow}\n"
    );
    let group = format!("root:x:0:\ncell:x:{gid}:\nnogroup:x:65534:\n");
    let own = root.directory(b"/.cell").during(BuildStep::View, "cannot make /.cell")?;
    for (name, text) in [("passwd", passwd), ("group", group)] {
        let write = || {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
            let file = openat(&own, name, flags, Mode::from_raw_mode(0o444))?;
            rustix::io::write(&file, text.as_bytes())?;
            let attributes = MountAttributes::READ_ONLY | MountAttributes::NO_EXECUTE;
            clone_of(&file, &MountAttributes::new(attributes), false)
        };
        let mount = write().during(BuildStep::View, "cannot write the cell's passwd file")?;
        attach(root, &mount, &format!("/etc/{name}"), false)?;
    }
    Ok(())
}

fn attach(root: &Root, mount: &OwnedFd, at: &str, directory: bool) -> Result<(), BuildError> {
    root.attach(mount, &path(at)?, directory)
        .during(BuildStep::Devices, &format!("cannot put `{at}` in its place"))
}

fn path(text: &str) -> Result<AbsolutePath, BuildError> {
    AbsolutePath::new(text).map_err(|error| {
        BuildError::new(BuildStep::Devices, Errno::INVAL, format!("`{text}`: {error}"))
    })
}
