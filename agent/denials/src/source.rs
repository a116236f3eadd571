//! Reading the audit socket that the warden handed over.
//!
//! The socket is bound, filtered and locked already; reading it needs no
//! privilege. Called by the agent when the descriptor is readable.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::record::{DecodeError, Record, records};

/// Bytes of receive buffer that the warden asks for (`SO_RCVBUFFORCE`): at
/// 10,000 refusals a second 0.1 % are lost with it.
pub const RECEIVE_BUFFER: usize = 8 << 20;

/// The kernel's largest audit message with its header is below 9 KiB.
const DATAGRAM: usize = 16 * 1024;
/// Datagrams read before others get their turn.
const TURN: usize = 1024;

/// How a turn of reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Records that were given out.
    pub records: usize,
    /// Messages that could not be decoded.
    pub malformed: usize,
    /// How often the buffer had run over; each time an unknown number of
    /// records is lost.
    pub overruns: usize,
    /// There may be more: call again.
    pub more: bool,
}

/// Reads what is there, at most 1,024 datagrams, without blocking, and gives
/// each record to `take`.
///
/// # Errors
/// Whatever recv(2) says, but for `EAGAIN`, `EINTR` and `ENOBUFS`: the
/// descriptor is of no use any more.
pub fn drain(socket: &OwnedFd, mut take: impl FnMut(Record)) -> Result<Drained, Errno> {
    let mut buffer = [0_u8; DATAGRAM];
    let mut drained = Drained::default();
    for _ in 0..TURN {
        // With MSG_TRUNC the true length comes back, also of what was cut.
        match recv(socket, &mut buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, length)) => {
                let whole = length <= buffer.len();
                for record in records(buffer.get(..length).unwrap_or(&buffer)) {
                    match record {
                        Ok(record) => {
                            drained.records += 1;
                            take(record);
                        }
                        Err(DecodeError::Cut(_)) if !whole => {}
                        Err(_) => drained.malformed += 1,
                    }
                }
                drained.malformed += usize::from(!whole);
            }
            Err(Errno::AGAIN) => return Ok(drained),
            Err(Errno::INTR) => {}
            Err(Errno::NOBUFS) => drained.overruns += 1,
            Err(errno) => return Err(errno),
        }
    }
    drained.more = true;
    Ok(drained)
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    use super::*;
    use crate::netlink::tests::datagram;

    #[test]
    fn everything_that_is_there_is_read_and_no_more_is_waited_for() {
        let (kernel, socket) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
        let good = datagram(1424, b"audit(1.000:1): domain=1 status=deallocated denials=1");
        for message in [&good[..], b"cut", &good, &datagram(1424, &vec![b'x'; 20_000])] {
            send(&kernel, message, SendFlags::empty()).unwrap();
        }
        let mut taken = Vec::new();
        let drained = drain(&socket, |record| taken.push(record)).unwrap();
        assert_eq!(drained, Drained { records: 2, malformed: 2, overruns: 0, more: false });
        assert_eq!(taken.len(), 2);
    }
}
