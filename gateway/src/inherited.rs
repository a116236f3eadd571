//! Descriptors that the parent process hands over: by number on the command line,
//! and a socket as service managers do (sd_listen_fds(3)).
//!
//! The only unsafe code of the gateway, in its own file so that the library can
//! forbid it.

#![allow(unsafe_code, reason = "a descriptor that arrives as a number has no other safe owner")]

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The socket that the service manager listens on for this process, if it does.
/// Must be called once, before anything else is opened.
pub(crate) fn socket() -> std::io::Result<Option<TcpListener>> {
    let mut sockets = sd_notify::listen_fds()?;
    let Some(number) = sockets.next() else { return Ok(None) };
    if sockets.next().is_some() {
        let why = "the unit of the socket has more than one address; the gateway serves one";
        return Err(std::io::Error::other(why));
    }
    Ok(Some(TcpListener::from(OwnedFd::from(take(number)?))))
}

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
