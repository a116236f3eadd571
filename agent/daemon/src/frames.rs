//! Moves plan frames over a Unix socket without blocking the runtime.
//!
//! The same frames as [`cofferdam_plan::channel`], which blocks.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use cofferdam_plan::channel::{ChannelError, MAX_DESCRIPTORS};
use cofferdam_plan::{Decode, Encode};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Sends one frame with its descriptors. One sender at a time; a call that is
/// dropped half-way leaves the channel unusable.
pub async fn send<P: Encode>(
    socket: &UnixStream,
    message: &P,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), ChannelError> {
    let body = message.to_frame();
    let (length, limit) = (body.len(), P::MAX_FRAME);
    let prefix = match u32::try_from(length) {
        Ok(prefix) if length <= limit => prefix.to_le_bytes(),
        _ => return Err(ChannelError::TooLong(length, limit)),
    };
    Ok(send_bytes(socket, &[&prefix[..], &body].concat(), descriptors).await?)
}

/// Sends bytes, at least one, with the descriptors that belong to the first.
pub async fn send_bytes(
    socket: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let first = || send_part(socket, bytes, descriptors);
    let mut sent = socket.async_io(Interest::WRITABLE, first).await?;
    while sent < bytes.len() {
        let next = || send_part(socket, &bytes[sent..], &[]);
        sent += socket.async_io(Interest::WRITABLE, next).await?;
    }
    Ok(())
}

fn send_part(
    socket: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Receives one frame with its descriptors, all close-on-exec. A call that is
/// dropped half-way leaves the channel unusable, so one task reads it to its
/// end.
pub async fn receive<P: Decode>(socket: &UnixStream) -> Result<(P, Vec<OwnedFd>), ChannelError> {
    let mut prefix = [0; 4];
    let mut descriptors = Vec::new();
    match receive_part(socket, &mut prefix, &mut descriptors).await? {
        0 => return Err(ChannelError::Closed),
        read => fill(socket, &mut prefix[read..], &mut descriptors).await?,
    }
    let length = u32::from_le_bytes(prefix) as usize;
    let limit = P::MAX_FRAME;
    if length > limit {
        return Err(ChannelError::TooLong(length, limit));
    }
    let mut body = vec![0; length];
    fill(socket, &mut body, &mut descriptors).await?;
    Ok((P::from_frame(&body)?, descriptors))
}

async fn fill(
    socket: &UnixStream,
    mut buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<(), ChannelError> {
    while !buffer.is_empty() {
        match receive_part(socket, buffer, descriptors).await? {
            0 => return Err(ChannelError::Truncated),
            read => buffer = &mut buffer[read..],
        }
    }
    Ok(())
}

async fn receive_part(
    socket: &UnixStream,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let receive = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(buffer)];
        let received = loop {
            match recvmsg(socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?.bytes,
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(given) = message {
                descriptors.extend(given);
            }
        }
        // A frame has no more of them, in however many pieces it comes.
        if descriptors.len() > MAX_DESCRIPTORS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(received)
    };
    socket.async_io(Interest::READABLE, receive).await
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use cofferdam_plan::{CellId, WardenEvent, WardenRequest};

    use super::*;

    #[tokio::test]
    async fn frames_are_those_of_the_blocking_channel() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = theirs.into_std().unwrap();
        theirs.set_nonblocking(false).unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let request = WardenRequest::Destroy(CellId([7; 16]));
        send(&ours, &request, &[null.as_fd()]).await.unwrap();
        let (received, descriptors) =
            cofferdam_plan::channel::receive::<WardenRequest>(&theirs).unwrap();
        assert_eq!((received, descriptors.len()), (request, 1));
        let event = WardenEvent::Gone { cell: CellId([7; 16]) };
        cofferdam_plan::channel::send(&theirs, &event, &[null.as_fd(), null.as_fd()]).unwrap();
        drop(theirs);
        let (received, descriptors) = receive::<WardenEvent>(&ours).await.unwrap();
        assert_eq!((received, descriptors.len()), (event, 2));
        let end = receive::<WardenEvent>(&ours).await;
        assert!(matches!(end, Err(ChannelError::Closed)));
    }

    #[tokio::test]
    async fn a_frame_with_descriptors_in_every_piece_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        for byte in [8, 0, 0, 0, 1] {
            send_part(&theirs, &[byte], &[null.as_fd(); 2]).unwrap();
        }
        let end = receive::<WardenEvent>(&ours).await;
        assert!(matches!(end, Err(ChannelError::Io(_))), "{end:?}");
    }

    #[tokio::test]
    async fn a_frame_above_its_limit_is_refused_before_it_is_read() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert_eq!(theirs.try_write(&[0xff, 0xff, 0xff, 0x7f, 1]).unwrap(), 5);
        let end = receive::<WardenEvent>(&ours).await;
        assert!(matches!(end, Err(ChannelError::TooLong(..))));
    }
}
