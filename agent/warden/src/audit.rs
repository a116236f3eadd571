//! The kernel's audit records of what Landlock and seccomp refused: a socket for
//! the agent to read, bound to show it these records and no others.
//!
//! Opened here because only root may; read and decoded by the agent. Audit is
//! never switched on by the warden: that is the host owner's choice.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{AUDIT, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{bind, recv, send, socket_with};

use crate::sys;

/// `nlmsghdr` of an `AUDIT_GET` (0x3e8) with `NLM_F_REQUEST` (linux/audit.h).
const STATUS: [u32; 4] = [16, 0x1_03e8, 1, 0];
/// Keeps records of these types and drops all others.
const RECORDS: [libc::sock_filter; 6] = [
    operation(0x28, 0, 4), // load the type, in the order of the network
    operation(0x15, 3, 1326_u16.swap_bytes() as u32), // SECCOMP: keep
    operation(0x15, 2, 1423_u16.swap_bytes() as u32), // LANDLOCK_ACCESS: keep
    operation(0x15, 1, 1424_u16.swap_bytes() as u32), // LANDLOCK_DOMAIN: keep
    operation(0x06, 0, 0), // drop
    operation(0x06, 0, u32::MAX), // keep all of it
];

/// A socket with the records, or why there is none.
pub(crate) fn records() -> Result<OwnedFd, String> {
    let failed = |errno: Errno| format!("the kernel's audit cannot be read here: {errno}");
    match status().map_err(failed)? {
        [0, _] => Err("audit is off on this host; `auditctl -e 1` switches it on".to_owned()),
        [_, 2] => Err("audit is set to panic when it loses a record".to_owned()),
        _ => listen().map_err(failed),
    }
}

/// Whether audit is on, and what it does on failure.
fn status() -> rustix::io::Result<[u32; 2]> {
    let socket = open()?;
    // A thread of the kernel's answers, at once.
    set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(1)))?;
    send(&socket, &STATUS.map(u32::to_ne_bytes).concat(), SendFlags::empty())?;
    let mut reply = [0; 128];
    recv(&socket, &mut reply, RecvFlags::empty())?;
    let word = |at| reply[at..].first_chunk().map_or(0, |word| u32::from_ne_bytes(*word));
    // `struct audit_status` follows the header: mask, enabled, failure, …; an
    // NLMSG_ERROR (2) has its errno there.
    if word(4) & 0xffff == 2 { Err(Errno::PERM) } else { Ok([word(20), word(24)]) }
}

fn listen() -> rustix::io::Result<OwnedFd> {
    let socket = open()?;
    let program = libc::sock_fprog { len: 6, filter: RECORDS.as_ptr().cast_mut() };
    sys::set_option(&socket, libc::SO_ATTACH_FILTER, &program)?;
    sys::set_option(&socket, libc::SO_LOCK_FILTER, &1_i32)?;
    // Bytes that wait to be read; a flood above that is lost, and counted.
    set_socket_recv_buffer_size_force(&socket, 8 << 20)?;
    // To the group of AUDIT_NLGRP_READLOG.
    bind(&socket, &SocketAddrNetlink::new(0, 1))?;
    Ok(socket)
}

const fn operation(code: u16, jt: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf: 0, k }
}

fn open() -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(AUDIT))
}
