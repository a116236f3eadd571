//! The only unsafe code of this crate: questions to the kernel that no crate of
//! ours wraps. None of them changes anything but for the process that asks.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `LANDLOCK_CREATE_RULESET_VERSION` (linux/landlock.h).
pub(crate) const LANDLOCK_VERSION: u32 = 1;
/// `LANDLOCK_CREATE_RULESET_ERRATA` (linux/landlock.h).
pub(crate) const LANDLOCK_ERRATA: u32 = 2;

/// What landlock_create_ruleset(2) answers to a question: a flag without a
/// ruleset.
///
/// # Errors
/// `ENOSYS` where Landlock is not built in, `EOPNOTSUPP` where it is not
/// enabled at boot, `EINVAL` where the kernel does not know the question.
pub(crate) fn ask_landlock(question: u32) -> io::Result<u32> {
    // JUSTIFICATION: the landlock crate gives the version only cut to those it knows.
    // SAFETY: with a null attribute and size 0 the kernel reads and makes nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            question,
        )
    };
    u32::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// Whether seccomp(2) knows these flags of `SECCOMP_SET_MODE_FILTER`.
///
/// With a null filter the kernel answers `EFAULT` when the flags are good and
/// `EINVAL` when one is unknown; a filter is never installed.
pub(crate) fn knows_seccomp_flags(flags: libc::c_ulong) -> bool {
    // JUSTIFICATION: there is no wrapper that passes no filter.
    // SAFETY: a null filter cannot be read, so nothing can be installed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            std::ptr::null::<libc::c_void>(),
        )
    };
    result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

/// Whether the kernel has a system call. `arguments` must be ones that it
/// refuses before it does anything.
fn has_call(number: libc::c_long, arguments: [libc::c_long; 5]) -> bool {
    // JUSTIFICATION: a call that is meant to be refused has no wrapper.
    // SAFETY: the callers below pass descriptor -1, null pointers and unknown flags; no memory is
    // read or written.
    let result = unsafe {
        libc::syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4])
    };
    result != -1 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}

/// Whether open_tree(2) is there.
pub(crate) fn has_open_tree() -> bool {
    has_call(libc::SYS_open_tree, [-1, 0, -1, 0, 0])
}

/// Whether mount_setattr(2) is there.
pub(crate) fn has_mount_setattr() -> bool {
    has_call(libc::SYS_mount_setattr, [-1, 0, -1, 0, 0])
}

/// unshare(2) with namespaces only.
///
/// # Errors
/// As unshare(2).
pub(crate) fn unshare(namespaces: rustix::thread::UnshareFlags) -> io::Result<()> {
    let namespaces = namespaces - rustix::thread::UnshareFlags::FILES;
    // JUSTIFICATION: a namespace can be tried in no other way.
    // SAFETY: the descriptor table stays shared, which is the only thing that could be unsound.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }.map_err(Into::into)
}

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Maps the owners of a detached mount through a user namespace.
///
/// # Errors
/// As mount_setattr(2); `EINVAL` where the file system cannot.
pub(crate) fn map_owners(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> io::Result<()> {
    /// `MOUNT_ATTR_IDMAP` (linux/mount.h).
    const MAP_OWNERS: u64 = 0x0010_0000;
    let user_namespace =
        u64::try_from(namespace.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let attributes = MountAttributes { set: MAP_OWNERS, clear: 0, propagation: 0, user_namespace };
    // JUSTIFICATION: rustix has no mount_setattr.
    // SAFETY: the path is a constant C string and `attributes` has the size that is told; the
    // kernel reads both and writes to neither.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
