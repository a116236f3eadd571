//! Collects what a run says, and notes what a receipt must prove.

use aws_lc_rs::digest::{Context, SHA256};
use cofferdam_proto::exec::v1::run_event::Event;
use cofferdam_proto::exec::v1::{Finished, Gap, Layer, Output, RunEvent, Started, Stream};
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tonic::Status;

use super::Events;
use crate::excerpt::Collector;
use crate::hosts::refusal::{Fate, fate};

/// Characters of the last line that progress shows.
const PROGRESS_LINE: usize = 200;

/// What has arrived so far.
pub(super) struct Follower {
    pub(super) layers: Vec<Layer>,
    pub(super) stdout: Collector,
    pub(super) stderr: Collector,
    pub(super) digests: OutputDigests,
    last_line: watch::Sender<String>,
}

/// The digest that a receipt must have: over the digests of both streams.
pub(super) struct OutputDigests {
    stdout: Context,
    stderr: Context,
    /// Every byte arrived; else the digest cannot be known here.
    complete: bool,
}

/// Why a stream of events stopped before its end.
pub(super) enum Broken {
    Connection,
    Refused(Status),
}

impl Follower {
    /// Keeps enough for excerpts of `budget`.
    pub(super) fn new(budget: usize, last_line: watch::Sender<String>) -> Self {
        Self {
            layers: Vec::new(),
            stdout: Collector::new(budget),
            stderr: Collector::new(budget),
            digests: OutputDigests::default(),
            last_line,
        }
    }

    /// Takes events until the run has finished.
    pub(super) async fn take_all(&mut self, events: &mut Events) -> Result<Finished, Broken> {
        while let Some(event) = events.next().await {
            let event = event.map_err(Broken::from)?;
            if let Some(finished) = self.take(event) {
                return Ok(finished);
            }
        }
        Err(Broken::Connection)
    }

    /// Takes one event; the last one says how the run ended.
    pub(super) fn take(&mut self, event: Option<RunEvent>) -> Option<Finished> {
        match event.and_then(|event| event.event)? {
            Event::Started(Started { run_id: _, started_at: _, layers }) => self.layers = layers,
            Event::Output(output) => self.take_output(&output),
            Event::Gap(Gap { stream, offset, length }) => {
                self.take_gap(stream, offset.saturating_add(length));
            }
            Event::Finished(finished) => return Some(finished),
        }
        None
    }

    /// How far it has come in each stream.
    pub(super) fn totals(&self) -> [u64; 2] {
        [self.stdout.total(), self.stderr.total()]
    }

    fn take_output(&mut self, output: &Output) {
        let Output { stream, offset, data } = output;
        self.take_gap(*stream, *offset);
        let somebody_watches = !self.last_line.is_closed();
        let collector = self.collector(*stream);
        // After attaching again the first bytes may be known already.
        let known = collector.total().saturating_sub(*offset);
        let Some(new) = usize::try_from(known).ok().and_then(|known| data.get(known..)) else {
            return;
        };
        collector.push(new);
        let line = somebody_watches.then(|| collector.last_line(PROGRESS_LINE)).flatten();
        self.digests.update(*stream, new);
        if let Some(line) = line {
            self.last_line.send_replace(line);
        }
    }

    /// The stream goes on at `end`, wherever it was before.
    fn take_gap(&mut self, stream: i32, end: u64) {
        let collector = self.collector(stream);
        let missing = end.saturating_sub(collector.total());
        if missing > 0 {
            collector.skip(missing);
            self.digests.complete = false;
        }
    }

    fn collector(&mut self, stream: i32) -> &mut Collector {
        match Stream::try_from(stream) {
            Ok(Stream::Stderr) => &mut self.stderr,
            _ => &mut self.stdout,
        }
    }
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        match fate(&status) {
            Fate::Answered | Fate::Held => Self::Refused(status),
            Fate::NotConnected | Fate::Broken => Self::Connection,
        }
    }
}

impl Default for OutputDigests {
    fn default() -> Self {
        Self { stdout: Context::new(&SHA256), stderr: Context::new(&SHA256), complete: true }
    }
}

impl OutputDigests {
    fn update(&mut self, stream: i32, bytes: &[u8]) {
        match Stream::try_from(stream) {
            Ok(Stream::Stderr) => self.stderr.update(bytes),
            _ => self.stdout.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Option<[u8; 32]> {
        let mut both = Context::new(&SHA256);
        both.update(self.stdout.finish().as_ref());
        both.update(self.stderr.finish().as_ref());
        let mut digest = [0; 32];
        digest.copy_from_slice(both.finish().as_ref());
        self.complete.then_some(digest)
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_trust::sha256;

    use super::*;

    fn output(stream: Stream, offset: u64, data: &[u8]) -> RunEvent {
        let output = Output { stream: stream.into(), offset, data: data.to_vec().into() };
        RunEvent { event: Some(Event::Output(output)) }
    }

    fn follower() -> Follower {
        Follower::new(1000, watch::Sender::default())
    }

    #[test]
    fn the_digest_is_over_the_digests_of_both_streams() {
        let mut follower = follower();
        follower.take(Some(output(Stream::Stdout, 0, b"ab")));
        follower.take(Some(output(Stream::Stderr, 0, b"x")));
        follower.take(Some(output(Stream::Stdout, 2, b"c")));
        let both = [sha256(b"abc"), sha256(b"x")].concat();
        assert_eq!(follower.digests.finish(), Some(sha256(&both)));
    }

    #[test]
    fn bytes_that_come_again_after_attaching_count_once() {
        let mut follower = follower();
        follower.take(Some(output(Stream::Stdout, 0, b"abc")));
        follower.take(Some(output(Stream::Stdout, 1, b"bcd")));
        follower.take(Some(output(Stream::Stdout, 0, b"ab")));
        assert_eq!(follower.stdout.total(), 4);
        let both = [sha256(b"abcd"), sha256(b"")].concat();
        assert_eq!(follower.digests.finish(), Some(sha256(&both)));
    }

    #[test]
    fn after_a_gap_the_digest_cannot_be_known() {
        let mut follower = follower();
        follower.take(Some(output(Stream::Stdout, 0, b"ab")));
        let gap = Gap { stream: Stream::Stdout.into(), offset: 2, length: 10 };
        follower.take(Some(RunEvent { event: Some(Event::Gap(gap)) }));
        follower.take(Some(output(Stream::Stdout, 12, b"z")));
        assert_eq!(follower.stdout.total(), 13);
        assert_eq!(follower.digests.finish(), None);
    }

    #[test]
    fn bytes_that_are_skipped_without_a_word_are_a_gap_too() {
        let mut follower = follower();
        follower.take(Some(output(Stream::Stderr, 5, b"z")));
        assert_eq!(follower.stderr.total(), 6);
        assert_eq!(follower.digests.finish(), None);
    }
}
