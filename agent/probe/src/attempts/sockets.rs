//! Sockets, of the host and of odd families.

use std::io;

use super::{Attempt, done, refused};
use crate::sys::call;

fn socket(family: u64, kind: u64, protocol: u64) -> io::Result<String> {
    done(call(libc::SYS_socket, &[family, kind, protocol]))
}

pub(super) const ALL: &[Attempt] = &[
    ("vsock", &[44], || socket(40, 1, 0)),
    ("af-alg", &[44], || socket(38, 5, 0)),
    ("bluetooth", &[44], || socket(31, 3, 0)),
    ("packet", &[43, 44], || socket(17, 3, 0)),
    ("raw", &[43], || socket(2, 3, 1)),
    ("netlink-audit", &[44], || socket(16, 3, 9)),
    ("mptcp", &[43], || socket(2, 1, 262)),
    ("host-unix-socket", &[41], || {
        for place in ["/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket"] {
            if std::os::unix::net::UnixStream::connect(place).is_ok() {
                return Ok(place.into());
            }
        }
        refused("none is in the view")
    }),
    ("reach-outside", &[43, 45], || {
        // An address of TEST-NET-1 (RFC 5737): without a route nothing is sent.
        let wait = std::time::Duration::from_millis(300);
        std::net::TcpStream::connect_timeout(&([192, 0, 2, 1], 9).into(), wait)
            .map(|_| "connected".into())
    }),
];
