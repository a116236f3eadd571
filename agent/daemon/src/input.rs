//! What a run is given to read while it goes on: taken in order, each byte at
//! most once, and never more than fits.
//!
//! Callers write with the offset that they are at, so that the same bytes sent
//! again are known as such. What does not fit is left to them: a run that reads
//! nothing blocks nobody and costs a bounded amount of memory.
//!
//! Where it is to outlive this process it stands in a file in memory, and the kernel
//! moves it on from where that file's position is: so that what was given is given
//! once, whenever this process is killed.

mod sink;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub use sink::Sink;

/// Bytes that wait for a run to read them, at most; what it was started with
/// not counted.
pub const WAITING: usize = 256 * 1024;
/// Bytes written at once.
const CHUNK: usize = 16 * 1024;
/// Bytes that any run can have waiting: what one is started with comes in one request.
const MOST: usize = 16 << 20;

/// What a run is given to read.
#[derive(Debug)]
pub struct Input {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    kind: Kind,
}

/// How long it stays open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// It has what it was started with and no more.
    #[default]
    Closed,
    /// Until its end is asked for.
    Open,
    /// A terminal, whose end of input is a key.
    Terminal,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<u8>,
    /// Bytes taken so far, those it was started with included.
    taken: u64,
    ended: bool,
    /// Nobody reads any more.
    broken: bool,
    /// All that was taken; its position is how far the run was given it.
    kept: Option<Arc<File>>,
}

/// What became of bytes that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of the input taken so far: where to go on.
    pub offset: u64,
    /// Bytes of this request that were taken, now or before.
    pub bytes: usize,
    /// Bytes that the run has not read yet.
    pub waiting: usize,
}

/// Why input is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Its standard input was never open.
    #[error(
        "it was started without open standard input; start it with `stdin_open` or with a terminal"
    )]
    Closed,
    /// Its end was written.
    #[error("the end of its input was written before")]
    Ended,
    /// Nobody reads it any more.
    #[error("it has closed its standard input")]
    Broken,
    /// Bytes in between are missing.
    #[error("its input is at {at}, and these bytes begin at {asked}: those in between are missing")]
    Ahead {
        /// Where it is.
        at: u64,
        /// Where the bytes begin.
        asked: u64,
    },
}

impl Input {
    /// Begins with `first`.
    #[must_use]
    pub fn new(first: Vec<u8>, kind: Kind) -> Self {
        let taken = first.len() as u64;
        let ended = kind == Kind::Closed;
        let state = State { waiting: first.into(), taken, ended, broken: false, kept: None };
        Self { state: Mutex::new(state), changed: watch::Sender::new(()), kind }
    }

    /// Writes all of it to a file, from now on, too. Nothing was given yet.
    ///
    /// # Errors
    /// Where memory has run out.
    pub fn keep_in(&self, file: File) -> io::Result<()> {
        let mut state = self.lock();
        file.write_all_at(state.waiting.make_contiguous(), 0)?;
        state.kept = Some(Arc::new(file));
        Ok(())
    }

    /// What an earlier process kept so; `ended`: no more was to come.
    ///
    /// # Errors
    /// Where the file is none of those.
    pub fn take_up(&self, file: File, ended: bool) -> io::Result<()> {
        let (taken, given) = (file.metadata()?.len(), rustix::fs::tell(&file)?);
        let waiting = usize::try_from(taken.saturating_sub(given)).unwrap_or(usize::MAX);
        let mut state = self.lock();
        // What a run was started with may be more than what it is given later.
        let mut bytes = vec![0; waiting.min(MOST)];
        file.read_exact_at(&mut bytes, given)?;
        state.waiting = bytes.into();
        (state.taken, state.ended) = (taken, ended || self.kind == Kind::Closed);
        state.kept = Some(Arc::new(file));
        Ok(())
    }

    /// How it is open.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether there is, or can be, anything to read.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.kind != Kind::Closed || !self.lock().waiting.is_empty()
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.lock().taken
    }

    /// Takes `data`, which begins at `offset` (none: where the input is), as far
    /// as it fits, and with `end` its end once all of it was taken.
    ///
    /// # Errors
    /// Where nothing can be taken any more, or bytes before it are missing.
    pub fn take(&self, offset: Option<u64>, data: &[u8], end: bool) -> Result<Taken, InputError> {
        if end && self.kind == Kind::Terminal {
            // The line discipline makes an end of the line that stands there.
            return self.take(offset, &[data, &[END_OF_INPUT]].concat(), false);
        }
        let mut state = self.lock();
        let at = state.taken;
        let asked = offset.unwrap_or(at);
        if asked > at {
            return Err(InputError::Ahead { at, asked });
        }
        let known = usize::try_from(at - asked).unwrap_or(usize::MAX);
        let new = data.get(known..).unwrap_or_default();
        let is_known = new.is_empty() && if end { state.ended } else { !data.is_empty() };
        if !is_known {
            state.check(self.kind)?;
        }
        let mut taken = new.len().min(WAITING.saturating_sub(state.waiting.len()));
        if let Some(file) = &state.kept
            && let Err(error) = file.write_all_at(&new[..taken], state.taken)
        {
            tracing::error!(%error, "input cannot be kept");
            taken = 0;
        }
        state.waiting.extend(&new[..taken]);
        state.taken += taken as u64;
        state.ended |= end && taken == new.len();
        let bytes = known.min(data.len()) + taken;
        let answer = Taken { offset: state.taken, bytes, waiting: state.waiting.len() };
        drop(state);
        self.changed.send_replace(());
        Ok(answer)
    }

    /// Writes what is taken to `sink` until the end, or until nobody reads.
    pub async fn feed(&self, sink: Sink) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let (some, kept, ended) = self.next();
            let written = match &kept {
                // What an earlier process had on its way comes first.
                Some(file) => sink.move_from(file, some.len()).await,
                None if some.is_empty() => Ok(0),
                None => sink.write(&some).await,
            };
            if !self.was_given(written.ok()) {
                return;
            }
            if some.is_empty() {
                if ended {
                    return;
                }
                // The sender lives in `self`.
                drop(changed.changed().await);
            }
        }
    }

    /// Takes note of what the run was given; `None`: nobody reads, which is no error.
    fn was_given(&self, bytes: Option<usize>) -> bool {
        let mut state = self.lock();
        if let Some(bytes) = bytes {
            drop(state.waiting.drain(..bytes));
        } else {
            state.broken = true;
            state.waiting = VecDeque::new();
        }
        bytes.is_some()
    }

    fn next(&self) -> (Vec<u8>, Option<Arc<File>>, bool) {
        let state = self.lock();
        let some = state.waiting.iter().take(CHUNK).copied().collect();
        (some, state.kept.clone(), state.ended)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether anything new can be taken.
    fn check(&self, kind: Kind) -> Result<(), InputError> {
        match kind {
            Kind::Closed => Err(InputError::Closed),
            _ if self.ended => Err(InputError::Ended),
            _ if self.broken => Err(InputError::Broken),
            Kind::Open | Kind::Terminal => Ok(()),
        }
    }
}

/// What a terminal takes for the end of input, unless it was told otherwise: `VEOF`
/// of termios(3).
const END_OF_INPUT: u8 = 4;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn taken(offset: u64, bytes: usize, waiting: usize) -> Taken {
        Taken { offset, bytes, waiting }
    }

    #[test]
    fn the_same_bytes_again_are_taken_once_and_missing_ones_are_told() {
        let input = Input::new(b"ab".to_vec(), Kind::Open);
        assert_eq!(input.take(Some(2), b"cd", false), Ok(taken(4, 2, 4)));
        assert_eq!(input.take(Some(2), b"cd", false), Ok(taken(4, 2, 4)));
        assert_eq!(input.take(Some(3), b"de", false), Ok(taken(5, 2, 5)));
        assert_eq!(input.take(None, b"f", false), Ok(taken(6, 1, 6)));
        let ahead = Err(InputError::Ahead { at: 6, asked: 7 });
        assert_eq!(input.take(Some(7), b"h", false), ahead);
    }

    #[test]
    fn what_does_not_fit_is_told_and_its_end_waits_for_it() {
        let input = Input::new(Vec::new(), Kind::Open);
        let much = vec![b'x'; WAITING + 10];
        let whole = WAITING as u64;
        assert_eq!(input.take(Some(0), &much, true), Ok(taken(whole, WAITING, WAITING)));
        assert_eq!(input.take(Some(0), &much, true), Ok(taken(whole, WAITING, WAITING)));
        assert!(!input.lock().ended);
    }

    #[test]
    fn after_its_end_nothing_is_taken_but_what_was_taken_before() {
        let input = Input::new(Vec::new(), Kind::Open);
        assert_eq!(input.take(Some(0), b"ab", true), Ok(taken(2, 2, 2)));
        assert_eq!(input.take(Some(0), b"ab", true), Ok(taken(2, 2, 2)));
        assert_eq!(input.take(None, b"c", false), Err(InputError::Ended));
        let closed = Input::new(b"ab".to_vec(), Kind::Closed);
        assert_eq!(closed.take(None, b"c", false), Err(InputError::Closed));
    }

    #[tokio::test]
    async fn a_run_gets_all_of_it_in_order_and_then_the_end() {
        use tokio::io::AsyncReadExt;
        let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let mut reader = tokio::net::unix::pipe::Receiver::from_owned_fd(ours).unwrap();
        let sink = Sink::new(theirs, None).unwrap();
        let input = Arc::new(Input::new(b"one ".to_vec(), Kind::Open));
        let feeder = Arc::clone(&input);
        let feeding = tokio::spawn(async move { feeder.feed(sink).await });
        input.take(Some(4), b"two ", false).unwrap();
        tokio::task::yield_now().await;
        input.take(Some(8), b"three", true).unwrap();
        let mut all = String::new();
        reader.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "one two three");
        feeding.await.unwrap();
    }
}
