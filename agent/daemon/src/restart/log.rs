//! A file in memory that only grows: what the next process must know of one thing.
//!
//! Each entry is a part of one message: a field that stands in a later entry counts
//! instead of the earlier one, as with parts of any protobuf message. An entry is its
//! length and its bytes; one that a process was killed in the middle of is cut off.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use prost::Message;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

/// Bytes of a log that is read again, at most.
const MOST: u64 = 8 << 20;

/// A log.
#[derive(Debug)]
pub struct Log(Mutex<File>);

/// Why a log cannot be read again.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read.
    #[error("what the agent kept of it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Longer than one may be.
    #[error("what the agent kept of it has {0} bytes; at most {MOST} are read")]
    TooLong(u64),
    /// Its bytes mean nothing.
    #[error("what the agent kept of it means nothing to this agent: {0}")]
    Meaningless(#[from] prost::DecodeError),
    /// Another version of the agent wrote it.
    #[error("an agent of another version kept it: {0}, and this one reads {version}", version = super::VERSION)]
    Version(u32),
    /// A part is missing, or is none.
    #[error("what the agent kept of it lacks {0}")]
    Lacks(&'static str),
}

/// A file in memory, which nothing executes.
///
/// # Errors
/// Where memory or descriptors have run out.
pub fn memory(name: &str) -> io::Result<File> {
    let made = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL);
    let made = match made {
        // Before Linux 6.3.
        Err(Errno::INVAL) => memfd_create(name, MemfdFlags::CLOEXEC),
        other => other,
    };
    Ok(File::from(made?))
}

impl Log {
    /// A new one that begins with `first`.
    ///
    /// # Errors
    /// As [`memory`].
    pub fn begin(first: &impl Message) -> io::Result<Self> {
        let log = Self(Mutex::new(memory("cofferdam-log")?));
        log.append(first)?;
        Ok(log)
    }

    /// One more entry.
    ///
    /// # Errors
    /// Where memory has run out.
    pub fn append(&self, entry: &impl Message) -> io::Result<()> {
        let bytes = entry.encode_length_delimited_to_vec();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }

    /// Reads one again, and goes on with it where its last whole entry ends.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read<M: Message + Default>(descriptor: OwnedFd) -> Result<(Self, M), LogError> {
        let mut file = File::from(descriptor);
        let length = file.metadata()?.len();
        if length > MOST {
            return Err(LogError::TooLong(length));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| LogError::TooLong(length))?];
        file.read_exact_at(&mut bytes, 0)?;
        let (mut whole, mut rest) = (M::default(), bytes.as_slice());
        while let Some((entry, after)) = split(rest) {
            whole.merge(entry)?;
            rest = after;
        }
        let end = length - rest.len() as u64;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok((Self(Mutex::new(file)), whole))
    }

    /// Its descriptor, once more.
    ///
    /// # Errors
    /// Where there is none left.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        let file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        BorrowedFd::try_clone_to_owned(&file.as_fd())
    }
}

/// The first entry and what follows; `None` where no whole one is left.
fn split(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = prost::decode_length_delimiter(&mut bytes).ok()?;
    bytes.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restart::run::Words;

    #[test]
    fn later_entries_count_and_one_that_was_cut_off_does_not() {
        let log = Log::begin(&Words { command: "make".to_owned(), ..Words::default() }).unwrap();
        log.append(&Words { leaf: 7, ..Words::default() }).unwrap();
        let descriptor = log.descriptor().unwrap();
        let whole = File::from(log.descriptor().unwrap()).metadata().unwrap().len();
        log.append(&Words { leaf: 9, command: "x".repeat(300), ..Words::default() }).unwrap();
        File::from(log.descriptor().unwrap()).set_len(whole + 40).unwrap();
        let (log, words) = Log::read::<Words>(descriptor).unwrap();
        assert_eq!((words.command.as_str(), words.leaf), ("make", 7));
        log.append(&Words { leaf: 8, ..Words::default() }).unwrap();
        let (_, words) = Log::read::<Words>(log.descriptor().unwrap()).unwrap();
        assert_eq!((words.command.as_str(), words.leaf), ("make", 8));
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused_and_end_nothing() {
        let mut seed = 1_u64;
        for length in 0..400 {
            let file = memory("hostile").unwrap();
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    seed.to_be_bytes()[0]
                })
                .collect();
            file.write_all_at(&bytes, 0).unwrap();
            drop(Log::read::<Words>(file.into()));
        }
        let file = memory("huge").unwrap();
        file.set_len(MOST + 1).unwrap();
        let refused = Log::read::<Words>(file.into());
        assert!(matches!(refused, Err(LogError::TooLong(_))), "{refused:?}");
    }
}
