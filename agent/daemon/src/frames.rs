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

/// Receives one frame and gives it to `take`; only when that returns is it taken off
/// the socket. So who is killed before leaves it to the next process.
///
/// A frame of which only a part is there yet is [received](receive). Descriptors are those
/// of the frame, if it has any; else they may be those of the next one, because that is
/// how the kernel lets a stream be looked at: who takes a frame knows which it has.
pub async fn attend<P: Decode>(
    socket: &UnixStream,
    take: impl FnOnce(P, Vec<OwnedFd>),
) -> Result<(), ChannelError> {
    match socket.async_io(Interest::READABLE, || look(socket, P::MAX_FRAME)).await? {
        Seen::End => Err(ChannelError::Closed),
        Seen::TooLong(length) => Err(ChannelError::TooLong(length, P::MAX_FRAME)),
        Seen::Part => {
            let (message, descriptors) = receive(socket).await?;
            take(message, descriptors);
            Ok(())
        }
        Seen::Whole(mut frame, descriptors) => {
            take(P::from_frame(&frame[PREFIX..])?, descriptors);
            let mut left = frame.as_mut_slice();
            while !left.is_empty() {
                let next = || Ok(rustix::net::recv(socket, &mut *left, RecvFlags::empty())?.0);
                let read = socket.async_io(Interest::READABLE, next).await?;
                left = left.split_at_mut(read).1;
            }
            Ok(())
        }
    }
}

/// Bytes of a frame's length.
const PREFIX: usize = 4;

/// What waits on a socket.
enum Seen {
    Whole(Vec<u8>, Vec<OwnedFd>),
    Part,
    TooLong(usize),
    End,
}

/// Looks at the next frame and leaves it there.
fn look(socket: &UnixStream, limit: usize) -> io::Result<Seen> {
    let mut prefix = [0; PREFIX];
    // Its descriptors are not asked for here, and so not made.
    match rustix::net::recv(socket, &mut prefix, RecvFlags::PEEK)?.0 {
        0 => return Ok(Seen::End),
        PREFIX => {}
        _ => return Ok(Seen::Part),
    }
    let length = u32::from_le_bytes(prefix) as usize;
    if length > limit {
        return Ok(Seen::TooLong(length));
    }
    let mut frame = vec![0; PREFIX + length];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut frame)];
    let seen = recvmsg(socket, parts, &mut control, RecvFlags::PEEK | RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(given) = message {
            descriptors.extend(given);
        }
    }
    let whole = seen.bytes == frame.len();
    Ok(if whole { Seen::Whole(frame, descriptors) } else { Seen::Part })
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
    async fn a_frame_that_is_attended_to_stays_until_that_is_done() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = theirs.into_std().unwrap();
        theirs.set_nonblocking(false).unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let events = [1, 2, 3].map(|id| WardenEvent::Gone { cell: CellId([id; 16]) });
        for (event, count) in events.iter().zip([0, 2, 1]) {
            let given = vec![null.as_fd(); count];
            cofferdam_plan::channel::send(&theirs, event, &given).unwrap();
        }
        drop(theirs);
        for (event, count) in events.iter().zip([0, 2, 1]) {
            // Somebody looks and is killed.
            for _ in 0..2 {
                let Seen::Whole(frame, given) = look(&ours, 100).unwrap() else { panic!() };
                assert!(frame.len() == 22 && (count == 0 || given.len() == count));
            }
            let mut taken = None;
            attend::<WardenEvent>(&ours, |it, given| taken = Some((it, given.len())))
                .await
                .unwrap();
            let (taken, given) = taken.unwrap();
            assert!(taken == *event && (count == 0 || given == count));
        }
        let end = attend::<WardenEvent>(&ours, |_, _| panic!("nothing is left")).await;
        assert!(matches!(end, Err(ChannelError::Closed)));
    }

    #[tokio::test]
    async fn a_frame_that_comes_in_pieces_is_received_and_one_that_never_ends_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let event = WardenEvent::Gone { cell: CellId([7; 16]) };
        let body = event.to_frame();
        let frame = [&u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat();
        let pieces = async {
            for piece in frame.chunks(5) {
                send_bytes(&theirs, piece, &[]).await.unwrap();
                tokio::task::yield_now().await;
            }
            send_bytes(&theirs, &frame[..9], &[]).await.unwrap();
            drop(theirs);
        };
        let mut taken = None;
        let attended = attend::<WardenEvent>(&ours, |it, _| taken = Some(it));
        let (attended, ()) = tokio::join!(attended, pieces);
        attended.unwrap();
        assert_eq!(taken, Some(event));
        let end = attend::<WardenEvent>(&ours, |_, _| panic!("only a part is there")).await;
        assert!(matches!(end, Err(ChannelError::Truncated)), "{end:?}");
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
