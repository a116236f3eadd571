//! The place of a reader who left and is about to come back.
//!
//! A terminal or a pipe at a person's end is served piece by piece, each by a call of
//! its own. Between two of them nobody reads, and a run that prints fast would run
//! over what was not read yet. So such a reader's place counts for ten seconds more as
//! if it still read; then, or once somebody reads further, it holds up nobody. There is
//! one such place for each spool: that of whoever left last.
//!
//! The place is where the reader began, while it reads, too: more is on its way to it
//! than it takes, and what it does not take it comes back for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Reader, Spool};

/// How long a place is held.
pub const HELD: Duration = Duration::from_secs(10);

/// Where a reader was, and how long that counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    at: [u64; 2],
    until: Instant,
}

impl Place {
    /// The offsets, while they count.
    pub(super) fn held(&self) -> Option<[u64; 2]> {
        (Instant::now() < self.until).then_some(self.at)
    }
}

impl Spool {
    /// Holds a place for a first reader, at what is held now.
    pub fn hold_a_place(self: &Arc<Self>, how_long: Duration) {
        let at = self.held_offsets().map(|(start, _)| start);
        self.hold(at, how_long);
    }

    pub(super) fn hold(self: &Arc<Self>, at: [u64; 2], how_long: Duration) {
        let until = Instant::now() + how_long;
        let mut state = self.lock();
        let is_watched = state.place.replace(Place { at, until }).is_some();
        let is_over = state.closed;
        drop(state);
        if !is_watched && !is_over {
            tokio::spawn(let_go_in_time(Arc::clone(self)));
        }
    }
}

impl Reader {
    /// The place where it is now is held until it leaves, and so long after that.
    pub fn hold_its_place(&mut self, how_long: Duration) {
        self.held = Some(how_long);
        let mut state = self.spool.lock();
        if let Some(at) = state.readers.get(&self.id).copied() {
            state.begun.insert(self.id, at);
        }
    }
}

/// Lets the writer go on when the place does not count any more.
async fn let_go_in_time(spool: Arc<Spool>) {
    loop {
        let until = spool.lock().place.map(|place| place.until);
        let Some(until) = until else { return };
        tokio::time::sleep_until(until).await;
        let mut state = spool.lock();
        if state.place.is_none_or(|place| place.held().is_none()) {
            state.place = None;
            drop(state);
            spool.changed.send_replace(());
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Piece, Stream};
    use super::*;

    const SHORT: Duration = Duration::from_millis(400);

    fn output(offset: u64, data: &[u8]) -> Piece {
        Piece::Output { stream: Stream::Stdout, offset, data: data.to_vec() }
    }

    #[tokio::test]
    async fn whoever_reads_piece_by_piece_loses_nothing_in_between() {
        let spool = Arc::new(Spool::new(4, 1000));
        spool.hold_a_place(HELD);
        spool.push(Stream::Stdout, b"abcd").await.unwrap();
        let writer = Arc::clone(&spool);
        let more = tokio::spawn(async move { writer.push(Stream::Stdout, b"efgh").await });
        for (offset, data) in [(0, b"abcd"), (4, b"efgh")] {
            tokio::time::sleep(SHORT / 10).await;
            let mut reader = spool.reader([offset, 0]);
            reader.hold_its_place(HELD);
            assert_eq!(reader.next().await, Some(output(offset, data)));
        }
        more.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_was_on_its_way_to_a_reader_who_left_is_there_when_it_comes_back() {
        let spool = Arc::new(Spool::new(8, 1000));
        let mut reader = spool.reader([0, 0]);
        reader.hold_its_place(HELD);
        spool.push(Stream::Stdout, b"abcdefgh").await.unwrap();
        assert_eq!(reader.next().await, Some(output(0, b"abcdefgh")));
        assert!(spool.is_held_up(), "it may have taken less than it was sent");
        drop(reader);
        // It took three bytes.
        let mut reader = spool.reader([3, 0]);
        reader.hold_its_place(HELD);
        spool.push(Stream::Stdout, b"ijk").await.unwrap();
        assert_eq!(reader.next().await, Some(output(3, b"defghijk")));
    }

    #[tokio::test]
    async fn whoever_does_not_come_back_holds_up_nobody_for_long() {
        let spool = Arc::new(Spool::new(4, 1000));
        let began = Instant::now();
        spool.hold_a_place(SHORT);
        spool.push(Stream::Stdout, b"abcd").await.unwrap();
        assert!(spool.is_held_up());
        spool.push(Stream::Stdout, b"efgh").await.unwrap();
        assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
        assert!(spool.lock().place.is_none());
        // A place can be held anew.
        spool.hold_a_place(SHORT);
        assert!(spool.is_held_up());
    }

    #[tokio::test]
    async fn a_place_that_is_held_is_no_reader() {
        let spool = Arc::new(Spool::new(4, 1000));
        let mut reader = spool.reader([0, 0]);
        reader.hold_its_place(HELD);
        drop(reader);
        tokio::time::timeout(SHORT, spool.abandoned()).await.unwrap();
    }
}
