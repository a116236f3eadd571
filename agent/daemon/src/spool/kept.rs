//! A spool whose output outlives this process: the kernel moves it from the pipe to
//! where the next process finds it, and no byte is in this one alone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::tail::Tail;
use super::{LimitHit, PIECE, Spool, Stream};
use crate::restart::strip::Strip;

impl Spool {
    /// What comes from now on outlives this process; nothing came yet. Such a spool
    /// [takes](Self::take_from) from pipes and is given no bytes.
    pub fn keep_in(&self, strips: [Strip; 2]) {
        let mut state = self.lock();
        for (tail, strip) in state.tails.iter_mut().zip(strips) {
            tail.keep_in(strip);
        }
    }

    /// What an earlier process kept of both streams.
    ///
    /// # Errors
    /// Where those are no strips.
    pub fn take_up(&self, strips: [OwnedFd; 2]) -> io::Result<()> {
        let mut tails = Vec::new();
        for strip in strips {
            let (strip, start, end, digest) = Strip::read(strip)?;
            tails.push(Tail::again(strip, start, end, digest));
        }
        let mut state = self.lock();
        state.total = tails.iter().map(Tail::end).sum();
        for (to, tail) in state.tails.iter_mut().zip(tails) {
            *to = tail;
        }
        state.note_held();
        Ok(())
    }

    /// Whether what it holds outlives this process.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.lock().tails.iter().all(Tail::is_kept)
    }

    /// Moves what it can now from a pipe, and says how much that was; 0: it has ended.
    ///
    /// # Errors
    /// `WouldBlock` where the pipe has nothing yet; inside, where the limit is hit.
    pub fn take_from(
        &self,
        stream: Stream,
        pipe: impl AsFd,
    ) -> io::Result<Result<usize, LimitHit>> {
        let mut state = self.lock();
        let left = usize::try_from(self.limit.saturating_sub(state.total)).unwrap_or(usize::MAX);
        if left == 0 {
            let more = rustix::io::read(pipe, &mut [0_u8])?;
            state.hit_limit |= more > 0;
            return Ok(if more > 0 { Err(LimitHit { limit: self.limit }) } else { Ok(0) });
        }
        let most = state.room(stream, self.capacity).min(left).clamp(1, PIECE);
        let capacity = state.part.of_stream(self.capacity);
        let taken = state.tails[stream as usize].take(pipe, most, capacity)?;
        state.total += taken as u64;
        state.note_held();
        drop(state);
        if taken > 0 {
            self.changed.send_replace(());
        }
        Ok(Ok(taken))
    }

    /// Takes what a pipe holds beyond what readers left room for, once: the run has
    /// ended, and its end waits for nobody.
    pub fn take_the_rest(&self) {
        self.lock().part.widen();
        self.changed.send_replace(());
    }
}
