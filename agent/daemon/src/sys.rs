//! The only unsafe code of the agent: two system calls that no crate of ours
//! wraps safely.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes over a descriptor that the parent process passed by number.
///
/// # Errors
/// `EBADF` where the number names no open descriptor, `EINVAL` for the
/// standard streams, which belong to the runtime.
pub fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // JUSTIFICATION: a number from the command line can be made a descriptor in
    // no other way.
    // SAFETY: fcntl(2) takes any number and only sets a flag of the descriptor.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above has shown that it is open; it is above the standard
    // streams, and `main` adopts each number once, before it opens anything.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Installs a seccomp filter for all threads of this process. `no_new_privs`
/// must be set.
///
/// # Errors
/// As seccomp(2).
pub fn install_filter(instructions: &[[u8; 8]]) -> io::Result<()> {
    let mut program: Vec<libc::sock_filter> = instructions
        .iter()
        .map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| libc::sock_filter {
            code: u16::from_ne_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_ne_bytes([k0, k1, k2, k3]),
        })
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: program.as_mut_ptr(),
    };
    // JUSTIFICATION: seccomp(2) has no safe wrapper that takes ready-made bytes.
    // SAFETY: `program` points to `len` instructions that outlive the call; the
    // kernel copies and checks them and writes nothing back.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        thread => Err(io::Error::other(format!("thread {thread} cannot take the filter"))),
    }
}
