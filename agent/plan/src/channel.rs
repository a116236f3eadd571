//! Moves frames and descriptors over a Unix stream socket, blocking.
//!
//! A frame is four bytes of length (little-endian) and the body. Descriptors
//! travel with the length, so that they belong to exactly one frame. The
//! length is checked against the message's limit before anything is read for
//! it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::codec::{Decode, DecodeError, Encode};

/// Descriptors that travel with one frame, at most.
pub const MAX_DESCRIPTORS: usize = 6;

/// How long a frame may take to come once its first byte is there.
const FRAME_TIME: Duration = Duration::from_secs(30);

/// Why a frame could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other end closed the socket between frames.
    #[error("the other end closed the channel")]
    Closed,
    /// The other end closed the socket inside a frame.
    #[error("the channel ended inside a frame")]
    Truncated,
    /// The frame is longer than its message may be: how long, and the limit.
    #[error("a frame of {0} bytes; at most {1}")]
    TooLong(usize, usize),
    /// The body means nothing.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The socket failed.
    #[error("the channel failed: {0}")]
    Io(#[from] io::Error),
}

/// Sends one frame with its descriptors.
pub fn send<M: Encode>(
    socket: impl AsFd,
    message: &M,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), ChannelError> {
    let body = message.to_frame();
    let (length, limit) = (body.len(), M::MAX_FRAME);
    let prefix = match u32::try_from(length) {
        Ok(prefix) if length <= limit => prefix.to_le_bytes(),
        _ => return Err(ChannelError::TooLong(length, limit)),
    };
    let frame = [&prefix[..], &body].concat();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(ChannelError::Io(io::Error::from(io::ErrorKind::InvalidInput)));
    }
    // Descriptors belong to the first byte.
    let parts = [IoSlice::new(&frame)];
    let mut sent = retry(|| sendmsg(&socket, &parts, &mut control, SendFlags::NOSIGNAL))?;
    while sent < frame.len() {
        sent += retry(|| rustix::net::send(&socket, &frame[sent..], SendFlags::NOSIGNAL))?;
    }
    Ok(())
}

/// Receives one frame with its descriptors, all close-on-exec. Waits for it as
/// long as it takes; a socket with a receive timeout ends the wait with an error, and
/// so does a frame that comes too slowly, however short its pauses are.
pub fn receive<M: Decode>(socket: impl AsFd) -> Result<(M, Vec<OwnedFd>), ChannelError> {
    let mut prefix = [0; 4];
    let mut descriptors = Vec::new();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = retry(|| {
        let mut parts = [IoSliceMut::new(&mut prefix)];
        recvmsg(&socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?
    .bytes;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    if received == 0 {
        return Err(ChannelError::Closed);
    }
    let deadline = Instant::now() + FRAME_TIME;
    fill(&socket, &mut prefix[received..], deadline)?;
    let length = u32::from_le_bytes(prefix) as usize;
    let limit = M::MAX_FRAME;
    if length > limit {
        return Err(ChannelError::TooLong(length, limit));
    }
    let mut body = vec![0; length];
    fill(&socket, &mut body, deadline)?;
    Ok((M::from_frame(&body)?, descriptors))
}

fn fill(socket: impl AsFd, mut buffer: &mut [u8], by: Instant) -> Result<(), ChannelError> {
    while !buffer.is_empty() {
        if Instant::now() > by {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        let (received, _) = retry(|| rustix::net::recv(&socket, &mut *buffer, RecvFlags::empty()))?;
        if received == 0 {
            return Err(ChannelError::Truncated);
        }
        buffer = &mut buffer[received..];
    }
    Ok(())
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> Result<T, ChannelError> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map_err(|errno| ChannelError::Io(errno.into())),
        }
    }
}
