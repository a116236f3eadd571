//! The one question that audit is asked, over netlink(7): `AUDIT_GET`, whose
//! answer is `struct audit_status` (linux/audit.h).

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
};
use serde::Serialize;

/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `AUDIT_GET`.
const GET: u16 = 1000;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// Bytes of `struct nlmsghdr`.
const HEAD: usize = 16;
/// The multicast group `AUDIT_NLGRP_READLOG`, as a bit.
const READ_LOG: u32 = 1;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);
/// Messages that may come before the answer.
const STRANGERS: usize = 16;

/// What of audit's state matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// 0: off; 1: on; 2: on until the next boot.
    pub enabled: u32,
    /// What happens when records are lost: 0 nothing, 1 a message, 2 panic.
    pub failure: u32,
    /// Records that may wait.
    pub backlog_limit: u32,
    /// Records lost since boot.
    pub lost: u32,
}

/// Asks the kernel.
///
/// # Errors
/// `EPERM` without CAP_AUDIT_CONTROL or outside of the initial namespaces,
/// `EPROTONOSUPPORT` without audit, `ECONNREFUSED` in another network namespace.
pub(super) fn status() -> io::Result<Status> {
    let socket = open()?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&socket, &question(), SendFlags::empty(), &kernel)?;
    let mut buffer = [0; 1024];
    for _ in 0..STRANGERS {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if let Some(answer) = buffer.get(..length).and_then(answer) {
            return answer;
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Whether the records may be listened to; the socket is closed at once.
pub(super) fn may_listen() -> bool {
    let listening = open().and_then(|socket| {
        let group = SocketAddrNetlink::new(0, READ_LOG);
        bind(&socket, &group).map_err(io::Error::from)
    });
    listening.is_ok()
}

fn open() -> io::Result<OwnedFd> {
    let protocol = Some(netlink::AUDIT);
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?)
}

/// A head without a body: length, type, flags, sequence, port.
fn question() -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&16_u32.to_ne_bytes());
    head[4..6].copy_from_slice(&GET.to_ne_bytes());
    head[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
    head
}

/// The answer in a message; `None` for a message about something else.
fn answer(message: &[u8]) -> Option<io::Result<Status>> {
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    let word = |index: usize| -> Option<u32> {
        let at = HEAD + index * 4;
        Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?))
    };
    match kind {
        ERROR => {
            let errno = word(0)?.cast_signed().checked_neg()?;
            Some(Err(io::Error::from_raw_os_error(errno)))
        }
        // mask, enabled, failure, pid, rate_limit, backlog_limit, lost
        GET => Some(Ok(Status {
            enabled: word(1)?,
            failure: word(2)?,
            backlog_limit: word(5)?,
            lost: word(6)?,
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, words: &[u32]) -> Vec<u8> {
        let mut bytes = question().to_vec();
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        bytes
    }

    #[test]
    fn the_kernels_answer_is_read() {
        let status = answer(&message(GET, &[0, 1, 2, 77, 0, 64, 5, 0])).unwrap().unwrap();
        assert_eq!(status, Status { enabled: 1, failure: 2, backlog_limit: 64, lost: 5 });
        let refused = answer(&message(ERROR, &[1_u32.wrapping_neg()])).unwrap().unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(1));
        assert!(answer(&message(1300, &[])).is_none());
    }

    #[test]
    fn an_ordinary_user_is_told_so_and_root_gets_an_answer() {
        // Whoever runs this, and whatever the host allows: an answer or an error, in time.
        let _ = status();
        let _ = may_listen();
    }

    proptest! {
        #[test]
        fn no_message_confuses_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = answer(&bytes);
        }
    }
}
