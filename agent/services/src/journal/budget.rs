//! What reading may still cost, and why a read did not succeed.
//!
//! Every byte that is read from a journal file is paid for here first, so that no
//! structure in a file, however it loops, makes a question endless. Used by `file.rs`.

use std::cell::Cell;
use std::io;
use std::time::Instant;

use super::Bounds;

/// What is left for one question.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Cell<u64>,
    deadline: Instant,
}

/// Why something was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The budget is used up: nothing further can be read at all.
    #[error("its bound of {0} was reached")]
    Stopped(&'static str),
    /// What stands there is not what the format says.
    #[error("it is damaged at byte {at}: {what}")]
    Damaged { at: u64, what: &'static str },
    /// The file is not one that this can read.
    #[error("{0}")]
    Unknown(String),
    /// The kernel said no.
    #[error("{0}")]
    Read(#[from] io::Error),
}

impl Budget {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bytes: Cell::new(bounds.bytes), deadline: Instant::now() + bounds.time }
    }

    /// Pays for a read.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), Fault> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        match self.bytes.get().checked_sub(bytes) {
            None => Err(Fault::Stopped("bytes read")),
            Some(_) if Instant::now() >= self.deadline => Err(Fault::Stopped("time")),
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
        }
    }
}
