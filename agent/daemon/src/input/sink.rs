//! Where a run's input goes: its pipe, or its terminal.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::ioctl_fionread;
use rustix::pipe::{SpliceFlags, splice};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::streams::{Relay, watched};

/// Bytes that the kernel moves at once.
const CHUNK: usize = 16 * 1024;

/// The writing end.
#[derive(Debug)]
pub struct Sink {
    end: AsyncFd<OwnedFd>,
    /// A file and a terminal are connected by a pipe only.
    relay: Option<Relay>,
}

impl Sink {
    /// Takes the end over. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where it cannot be watched.
    pub fn new(end: OwnedFd, relay: Option<Relay>) -> io::Result<Self> {
        Ok(Self { end: watched(end)?, relay })
    }

    /// Its descriptor, once more.
    ///
    /// # Errors
    /// Where there is none left.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.end.get_ref().try_clone()
    }

    /// Writes some of it.
    ///
    /// # Errors
    /// Where nobody reads.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let write = |end: &OwnedFd| Ok(rustix::io::write(end, bytes)?);
        self.end.async_io(Interest::WRITABLE, write).await
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// Where nobody reads.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write(bytes).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Has the kernel move at most `most` bytes on from where the file's position is,
    /// and says how many have left the file.
    ///
    /// # Errors
    /// Where nobody reads.
    pub async fn move_from(&self, file: &File, most: usize) -> io::Result<usize> {
        let most = most.min(CHUNK);
        let Some(Relay(out, into)) = &self.relay else {
            return if most == 0 { Ok(0) } else { self.splice(file.as_fd(), most).await };
        };
        self.empty(out).await?;
        if most == 0 {
            return Ok(0);
        }
        let moved = splice(file, None, into, None, most, SpliceFlags::NONBLOCK)?;
        self.empty(out).await?;
        Ok(moved)
    }

    async fn empty(&self, relay: &OwnedFd) -> io::Result<()> {
        while ioctl_fionread(relay)? > 0 {
            self.splice(relay.as_fd(), CHUNK).await?;
        }
        Ok(())
    }

    async fn splice(&self, from: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let splice =
            |end: &OwnedFd| Ok(splice(from, None, end, None, most, SpliceFlags::NONBLOCK)?);
        self.end.async_io(Interest::WRITABLE, splice).await
    }
}
