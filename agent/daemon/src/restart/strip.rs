//! The bytes of one stream in a file in memory, each at its offset.
//!
//! The kernel moves them from the pipe into the file (splice(2)) and makes the file
//! longer in the same call, so that its length tells how far the stream is, whenever
//! this process is killed. What is not held any more is a hole. Before the bytes lies a
//! page with what cannot be told from them: where the held ones begin, and the digest of
//! all before some offset ([`Digest`]).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::pipe::{SpliceFlags, splice};

use super::log::memory;
use crate::spool::digest::{Digest, SAVED};

/// Bytes of a page, and of what lies before the stream.
const PAGE: u64 = 4096;

/// One stream's bytes.
#[derive(Debug)]
pub struct Strip {
    file: File,
    /// Where the file's hole ends.
    freed: u64,
}

impl Strip {
    /// An empty one.
    ///
    /// # Errors
    /// Where memory or descriptors have run out.
    pub fn new() -> io::Result<Self> {
        let strip = Self { file: memory("cofferdam-strip")?, freed: PAGE };
        strip.file.set_len(PAGE)?;
        strip.note(0, &Digest::new())?;
        Ok(strip)
    }

    /// One of an earlier process: where what it holds begins and ends, and the digest of
    /// all of it.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(descriptor: OwnedFd) -> io::Result<(Self, u64, u64, Digest)> {
        let file = File::from(descriptor);
        let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let end = file.metadata()?.len().checked_sub(PAGE).ok_or(wrong("it is too short"))?;
        let mut head = [0; 8 + SAVED];
        file.read_exact_at(&mut head, 0)?;
        let (start, saved) = head.split_first_chunk().ok_or(wrong("it is too short"))?;
        let start = u64::from_le_bytes(*start);
        let saved = saved.first_chunk().ok_or(wrong("it is too short"))?;
        let mut digest = Digest::restore(saved).ok_or(wrong("its digest is none"))?;
        if !(start <= digest.length() && digest.length() <= end) {
            return Err(wrong("its offsets contradict each other"));
        }
        let strip = Self { file, freed: PAGE };
        let mut buffer = vec![0; 64 * 1024];
        while digest.length() < end {
            let left = usize::try_from(end - digest.length()).unwrap_or(usize::MAX);
            let part = buffer.len().min(left);
            strip.copy(digest.length(), &mut buffer[..part])?;
            digest.update(&buffer[..part]);
        }
        Ok((strip, start, end, digest))
    }

    /// Moves at most `most` bytes from a pipe to `end`; 0: the pipe has ended.
    ///
    /// # Errors
    /// `WouldBlock` where the pipe has none yet; as splice(2).
    pub fn take(&self, pipe: impl AsFd, end: u64, most: usize) -> io::Result<usize> {
        let mut at = PAGE.saturating_add(end);
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        Ok(splice(pipe, None, &self.file, Some(&mut at), most, flags)?)
    }

    /// Copies bytes from `offset` on; all of them must be there.
    ///
    /// # Errors
    /// As pread(2).
    pub fn copy(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, PAGE.saturating_add(offset))
    }

    /// Lets go of what lies before `start`; `digest` is that of all up to now.
    ///
    /// # Errors
    /// Where the kernel does not free it; it is held then.
    pub fn let_go(&mut self, start: u64, digest: &Digest) -> io::Result<()> {
        self.note(start, digest)?;
        let end = PAGE.saturating_add(start) / PAGE * PAGE;
        if end > self.freed {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&self.file, flags, self.freed, end - self.freed)?;
            self.freed = end;
        }
        Ok(())
    }

    /// One call within a page: a process is killed before it or after it.
    fn note(&self, start: u64, digest: &Digest) -> io::Result<()> {
        let head = [&start.to_le_bytes()[..], &digest.save()].concat();
        self.file.write_all_at(&head, 0)
    }
}

impl AsFd for Strip {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn all(strip: &Strip, start: u64, end: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        strip.copy(start, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_another_process_took_is_there_with_its_digest_after_some_was_let_go() {
        let mut strip = Strip::new().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        let mut digest = Digest::new();
        let mut end = 0;
        for round in 0..40_u8 {
            let bytes = vec![round; 1000];
            writer.write_all(&bytes).unwrap();
            end += strip.take(&reader, end, 4096).unwrap() as u64;
            digest.update(&bytes);
            if round == 30 {
                strip.let_go(20_500, &digest).unwrap();
            }
        }
        let refused = strip.take(&reader, end, 10).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        drop(writer);
        assert_eq!(strip.take(&reader, end, 10).unwrap(), 0);
        let (again, start, found, restored) =
            Strip::read(strip.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!((start, found), (20_500, 40_000));
        assert_eq!(restored.finish(), digest.finish());
        assert_eq!(all(&again, 20_500, 21_001), [vec![20; 500], vec![21; 1]].concat());
    }

    #[test]
    fn a_file_of_any_kind_is_read_or_refused_and_ends_nothing() {
        for (length, byte) in [(0, 0), (10, 0), (4096, 0xff), (5000, 0xff), (5000, 7), (9000, 0)] {
            let file = memory("hostile").unwrap();
            file.write_all_at(&vec![byte; length], 0).unwrap();
            let read = Strip::read(file.into());
            assert!(read.is_err() || byte == 0, "{length} of {byte}");
        }
    }
}
