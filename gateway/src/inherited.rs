//! Descriptors that the parent process hands over by number.
//!
//! The only unsafe code of the gateway, in its own file so that the library can
//! forbid it.

#![allow(unsafe_code, reason = "a descriptor that arrives as a number has no other safe owner")]

use std::fs::File;
use std::os::fd::{FromRawFd, RawFd};

/// Takes the descriptor `number`. Each number may be taken once, before anything
/// else is opened.
pub(crate) fn take(number: RawFd) -> std::io::Result<File> {
    const FIRST_FREE: RawFd = 3;
    if number < FIRST_FREE {
        return Err(std::io::Error::other(format!("descriptor {number} is a standard stream")));
    }
    // A number that is not open is refused here rather than owned.
    std::fs::metadata(format!("/proc/self/fd/{number}"))?;
    // SAFETY: the descriptor is open, as was just seen; the parent passed it to
    // this process for this purpose alone; and this runs first in main, before
    // any other code could own it. It is closed exactly once, by the File.
    Ok(unsafe { File::from_raw_fd(number) })
}
