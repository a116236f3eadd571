//! Raw system calls for the probe: an attempt must reach the kernel as an
//! attacker's would, not as a library thinks best.

use std::io;

/// One system call.
pub(crate) fn call(number: libc::c_long, arguments: &[u64]) -> io::Result<i64> {
    let a = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: the probe is a throw-away process; a wrong pointer can only end it, which the test
    // that started it sees.
    let result = unsafe { libc::syscall(number, a(0), a(1), a(2), a(3), a(4), a(5)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A system call by way of the 32-bit ABI: getpid is 20 there.
pub(crate) fn call_through_int80() -> i32 {
    let result: i32;
    // SAFETY: clobbers only rax; getpid has no arguments and no side effects.
    unsafe { std::arch::asm!("int 0x80", inlateout("eax") 20 => result) };
    result
}

/// The address of a NUL-ended string.
pub(crate) fn address(text: &std::ffi::CStr) -> u64 {
    text.as_ptr() as u64
}
