//! Where requests come from: frames of a length (four bytes, little-endian) and a
//! message, over a socket, with descriptors beside those that need some.
//!
//! A pipe serves, too, for requests that need none.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use cofferdam_proto::file::v1::ResidentRequest;
use prost::Message;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::bounds;

/// Bytes received at once, beyond what a frame still lacks.
const CHUNK: usize = 64 * 1024;
/// Descriptors that came and were not asked for yet.
const DESCRIPTORS: usize = 16;
/// Descriptors of one message: the kernel's own bound is 253.
const AT_ONCE: usize = 4;

/// The requests of one agent.
#[derive(Debug)]
pub(crate) struct Requests<'a> {
    source: BorrowedFd<'a>,
    bytes: VecDeque<u8>,
    buffer: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl<'a> Requests<'a> {
    pub(crate) fn of(source: BorrowedFd<'a>) -> Self {
        let (bytes, descriptors) = (VecDeque::new(), VecDeque::new());
        Self { source, bytes, buffer: vec![0; CHUNK], descriptors }
    }

    /// The next one; `None` at the end. Calls `meanwhile` before it waits, and each
    /// time that it waited for `pause`.
    pub(crate) fn next(
        &mut self,
        pause: Duration,
        mut meanwhile: impl FnMut(),
    ) -> io::Result<Option<ResidentRequest>> {
        if !self.fill(4, pause, &mut meanwhile)? {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.bytes.drain(..4).zip(&mut length).for_each(|(byte, place)| *place = byte);
        let length = u64::from(u32::from_le_bytes(length));
        if length > bounds::REQUEST {
            return Err(io::Error::other(format!("a request of {length} bytes")));
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        if !self.fill(length, pause, &mut meanwhile)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let body = &self.bytes.make_contiguous()[..length];
        let request = ResidentRequest::decode(body).map_err(io::Error::other)?;
        self.bytes.drain(..length);
        Ok(Some(request))
    }

    /// The descriptor that came with the request before, if one did.
    pub(crate) fn descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }

    /// Receives until there are `wanted` bytes; false where the end comes first.
    fn fill(
        &mut self,
        wanted: usize,
        pause: Duration,
        meanwhile: &mut impl FnMut(),
    ) -> io::Result<bool> {
        let pause = Timespec::try_from(pause).map_err(io::Error::other)?;
        while self.bytes.len() < wanted {
            meanwhile();
            match poll(&mut [PollFd::new(&self.source, PollFlags::IN)], Some(&pause)) {
                Ok(0) | Err(Errno::INTR) => continue,
                polled => drop(polled?),
            }
            match self.receive() {
                Ok(0) => return Ok(false),
                Ok(received) => self.bytes.extend(&self.buffer[..received]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(true)
    }

    fn receive(&mut self) -> Result<usize, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut self.buffer)];
        let received = match recvmsg(self.source, parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::NOTSOCK) => return read(self.source, &mut *self.buffer),
            received => received?.bytes,
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(given) = message {
                self.descriptors.extend(given);
            }
        }
        // Whoever sends more than is asked for is no agent.
        if self.descriptors.len() > DESCRIPTORS { Err(Errno::TOOMANYREFS) } else { Ok(received) }
    }
}
