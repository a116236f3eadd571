//! Who reads a spool: each byte from their offset on, once, or that it is gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{PIECE, Piece, Spool, State, Stream};

/// Somebody who reads.
#[derive(Debug)]
pub struct Reader {
    pub(super) spool: Arc<Spool>,
    pub(super) id: u64,
    changed: watch::Receiver<()>,
    /// How long its place is held after it left.
    pub(super) held: Option<Duration>,
}

impl Spool {
    /// Reads from the given offsets of standard output and error on.
    #[must_use]
    pub fn reader(self: &Arc<Self>, offsets: [u64; 2]) -> Reader {
        let changed = self.changed.subscribe();
        let mut state = self.lock();
        let id = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(id, offsets);
        drop(state);
        self.changed.send_replace(());
        self.audience.send_replace(());
        Reader { spool: Arc::clone(self), id, changed, held: None }
    }
}

impl Reader {
    /// The next piece; `None` once all was read and no more will come.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            self.changed.mark_unchanged();
            match self.take() {
                Ok(piece) => {
                    self.spool.changed.send_replace(());
                    return Some(piece);
                }
                Err(true) => return None,
                Err(false) => drop(self.changed.changed().await),
            }
        }
    }

    /// A piece, or whether the end was reached.
    pub(super) fn take(&self) -> Result<Piece, bool> {
        let mut state = self.spool.lock();
        let State { tails, readers, closed, .. } = &mut *state;
        let Some(at) = readers.get_mut(&self.id) else { return Err(true) };
        for stream in [Stream::Stdout, Stream::Stderr] {
            let (tail, offset) = (&tails[stream as usize], &mut at[stream as usize]);
            if *offset < tail.start() {
                let (start, length) = (*offset, tail.start() - *offset);
                *offset = tail.start();
                return Ok(Piece::Gap { stream, offset: start, length });
            }
            let data = tail.copy_from(*offset, PIECE);
            if !data.is_empty() {
                let start = *offset;
                *offset += data.len() as u64;
                return Ok(Piece::Output { stream, offset: start, data });
            }
        }
        Err(*closed)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.spool.lock();
        state.readers.remove(&self.id);
        let begun = state.begun.remove(&self.id);
        drop(state);
        if let Some((begun, how_long)) = begun.zip(self.held) {
            self.spool.hold(begun, how_long);
        }
        self.spool.changed.send_replace(());
        self.spool.audience.send_replace(());
    }
}
