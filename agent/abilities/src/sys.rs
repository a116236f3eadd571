//! The only unsafe code of this crate: questions to the kernel that no crate of
//! ours wraps. None of them changes anything.

use std::io;

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
