//! A reader that ends with an error at its deadline, so that one huge file
//! cannot hold a search up.

use std::io::{self, Read};
use std::time::Instant;

/// Reads until the deadline.
pub(super) struct Timed<R> {
    inner: R,
    /// Bytes that are left; none: as many as come.
    left: Option<u64>,
    deadline: Instant,
}

impl<R> Timed<R> {
    /// Of a file that has `size` bytes: what is added to it meanwhile is not read, so
    /// that nobody has to ask the kernel for its end. Files that show no size are read
    /// to where they end.
    pub(super) fn new(inner: R, size: u64, deadline: Instant) -> Self {
        Self { inner, left: (size > 0).then_some(size), deadline }
    }
}

impl<R: Read> Timed<R> {
    fn read_in_time(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.inner.read(buffer)
    }
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.left else { return self.read_in_time(buffer) };
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        let read = self.read_in_time(&mut buffer[..most])?;
        self.left = self.left.map(|left| left.saturating_sub(read as u64));
        Ok(read)
    }
}
