//! A reader that ends with an error at its deadline, so that one huge file
//! cannot hold a search up.

use std::io::{self, Read};
use std::time::Instant;

/// Reads until the deadline.
pub(super) struct Timed<R> {
    inner: R,
    deadline: Instant,
}

impl<R> Timed<R> {
    pub(super) fn new(inner: R, deadline: Instant) -> Self {
        Self { inner, deadline }
    }
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.inner.read(buffer)
    }
}
