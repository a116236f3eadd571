//! The few system calls that have no safe wrapper: the only unsafe code of this
//! crate. The warden and its builder children are single-threaded, which most
//! of the reasons below rest on.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::io::{Errno, Result};
use rustix::process::Pid;

fn check(result: libc::c_long) -> Result<libc::c_long> {
    if result < 0 {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    } else {
        Ok(result)
    }
}

/// Takes an inherited descriptor and closes all others but the standard streams.
pub(crate) fn inherited(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: F_GETFD touches no memory; it tells whether the descriptor is open.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) }.into())?;
    // Whatever else the starter left open is none of root's business.
    close_all_but([fd.max(2)])?;
    // SAFETY: open, named on our own command line, and taken once, at start.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A new process.
pub(crate) type Child = (Pid, OwnedFd);

/// clone3(2) as fork(2) with new namespaces, and on cgroup v2 the cgroup that the
/// child starts in. Which process that is, and its pidfd; `None` in itself.
pub(crate) fn clone(namespaces: libc::c_int, cgroup: Option<&OwnedFd>) -> Result<Option<Child>> {
    let mut descriptor: libc::c_int = -1;
    let into = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    // SAFETY: all zeroes is a valid `clone_args`: nothing asked for.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from((libc::CLONE_PIDFD | namespaces).cast_unsigned()) | into;
    arguments.pidfd = (&raw mut descriptor) as u64;
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    arguments.cgroup = cgroup.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned()));
    let size = size_of::<libc::clone_args>();
    // SAFETY: without CLONE_VM this is fork(2): the child gets a copy of everything, and as
    // the process is single-threaded it may run any code. The struct is valid for `size` bytes
    // and `descriptor` outlives the call.
    let process = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size) };
    let process = check(process)?;
    #[allow(clippy::cast_possible_truncation, reason = "a pid is a C int")]
    let Some(process) = Pid::from_raw(process as i32) else {
        return Ok(None);
    };
    // SAFETY: CLONE_PIDFD made this descriptor for us, and nothing else owns it.
    Ok(Some((process, unsafe { OwnedFd::from_raw_fd(descriptor) })))
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Attributes to set on a mount; `struct mount_attr` of linux/mount.h.
#[repr(C)]
#[derive(Default)]
pub(crate) struct MountAttributes {
    /// `MOUNT_ATTR_*`.
    pub(crate) set: u64,
    clear: u64,
    propagation: u64,
    /// A user namespace, for `MOUNT_ATTR_IDMAP`.
    user_namespace: u64,
}

impl MountAttributes {
    pub(crate) const READ_ONLY: u64 = 0x1;
    pub(crate) const NO_SETUID: u64 = 0x2;
    pub(crate) const NO_DEVICES: u64 = 0x4;
    pub(crate) const NO_EXECUTE: u64 = 0x8;
    const ID_MAP: u64 = 0x10_0000;

    pub(crate) fn new(set: u64) -> Self {
        Self { set, ..Self::default() }
    }

    /// The same, with owners mapped by `user_namespace`, which must outlive the
    /// call that uses this.
    pub(crate) fn mapped(set: u64, user_namespace: &OwnedFd) -> Self {
        let user_namespace = u64::from(user_namespace.as_raw_fd().cast_unsigned());
        Self { set: set | Self::ID_MAP, user_namespace, ..Self::default() }
    }
}

/// mount_setattr(2) on a mount and, if asked, all beneath it.
pub(crate) fn set_mount_attributes(
    mount: impl AsFd,
    attributes: &MountAttributes,
    recursive: bool,
) -> Result<()> {
    let empty: &CStr = c"";
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is NUL-ended, and the struct is valid for the size given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            empty.as_ptr(),
            flags,
            ptr::from_ref(attributes),
            size_of::<MountAttributes>(),
        )
    };
    check(result).map(drop)
}

/// Brings the loopback interface of the current network namespace up
/// (netdevice(7), `SIOCSIFFLAGS`).
pub(crate) fn raise_loopback(socket: &OwnedFd) -> Result<()> {
    // SAFETY: all zeroes is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    #[allow(clippy::cast_possible_truncation, reason = "the flag is 1")]
    let up = libc::IFF_UP as libc::c_short;
    request.ifr_ifru.ifru_flags = up;
    // SAFETY: the request is a valid `ifreq` that outlives the call.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    check(result.into()).map(drop)
}

/// setsockopt(2) of a `SOL_SOCKET` option that takes a `T`.
pub(crate) fn set_option<T>(socket: &OwnedFd, option: libc::c_int, value: &T) -> Result<()> {
    let (fd, value, size) = (socket.as_raw_fd(), ptr::from_ref(value).cast(), size_of::<T>());
    #[allow(clippy::cast_possible_truncation, reason = "no option is that large")]
    // SAFETY: the kernel reads `size` bytes of `value`, and what those that it knows point to;
    // each caller passes the type that its option takes.
    let set = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, value, size as u32) };
    check(set.into()).map(drop)
}

/// Makes the current cgroup the root of a new cgroup namespace (unshare(2)).
pub(crate) fn enter_cgroup_namespace() -> Result<()> {
    // SAFETY: CLONE_NEWCGROUP changes what /proc and cgroup mounts show; no descriptor and no
    // memory is unshared.
    check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }.into()).map(drop)
}

/// Closes every descriptor from 3 on but these (close_range(2)).
pub(crate) fn close_all_but<const N: usize>(mut kept: [RawFd; N]) -> Result<()> {
    kept.sort_unstable();
    let kept = kept.map(RawFd::cast_unsigned);
    let firsts = std::iter::once(3).chain(kept.map(|fd| fd + 1));
    let lasts = kept.into_iter().map(|fd| fd - 1).chain([u32::MAX]);
    for (first, last) in firsts.zip(lasts).filter(|(first, last)| first <= last) {
        // SAFETY: touches no memory. Called before anything else is opened, or by the builder,
        // which never drops an owner of what it inherited (see `builder::enter`).
        check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
    }
    Ok(())
}

/// _exit(2): no destructors, no flushing of the warden's buffers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing that follows could be unsound.
    unsafe { libc::_exit(code) }
}
