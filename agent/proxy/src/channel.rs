//! Frames to and from the agent, without blocking the runtime: those of
//! [`cofferdam_plan::channel`].

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use cofferdam_plan::channel::{ChannelError, MAX_DESCRIPTORS};
use cofferdam_plan::{Decode, Encode};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;

/// Receives one frame with its descriptors, all close-on-exec. A call that is
/// dropped half-way leaves the channel unusable.
pub(crate) async fn receive<M: Decode>(
    socket: &mut tokio::net::unix::OwnedReadHalf,
) -> Result<(M, Vec<OwnedFd>), ChannelError> {
    let mut prefix = [0; 4];
    let mut descriptors = Vec::new();
    // Descriptors belong to the first byte of a frame.
    let stream: &UnixStream = socket.as_ref();
    let received = stream
        .async_io(Interest::READABLE, || receive_first(stream, &mut prefix, &mut descriptors))
        .await?;
    if received == 0 {
        return Err(ChannelError::Closed);
    }
    fill(socket, &mut prefix[received..]).await?;
    let length = u32::from_le_bytes(prefix) as usize;
    let limit = M::MAX_FRAME;
    if length > limit {
        return Err(ChannelError::TooLong(length, limit));
    }
    let mut body = vec![0; length];
    fill(socket, &mut body).await?;
    Ok((M::from_frame(&body)?, descriptors))
}

fn receive_first(
    socket: &UnixStream,
    prefix: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(prefix)];
    let received = loop {
        match recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?.bytes,
        }
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok(received)
}

async fn fill(
    socket: &mut tokio::net::unix::OwnedReadHalf,
    buffer: &mut [u8],
) -> Result<(), ChannelError> {
    match socket.read_exact(buffer).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ChannelError::Truncated),
        Err(error) => Err(error.into()),
    }
}

/// Sends one frame.
pub(crate) async fn send<M: Encode>(
    socket: &mut OwnedWriteHalf,
    message: &M,
) -> Result<(), ChannelError> {
    let body = message.to_frame();
    let (length, limit) = (body.len(), M::MAX_FRAME);
    let prefix = match u32::try_from(length) {
        Ok(prefix) if length <= limit => prefix.to_le_bytes(),
        _ => return Err(ChannelError::TooLong(length, limit)),
    };
    Ok(socket.write_all(&[&prefix[..], &body].concat()).await?)
}
