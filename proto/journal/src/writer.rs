//! The one thread that writes: takes every line that waits, writes them in one
//! go, and makes the disk keep them with one fdatasync. Callers that append
//! while it is busy share the next one; what nobody waits for shares one with all
//! that comes within a few milliseconds.
//!
//! A write that fails ends the journal, because nobody knows what the disk kept.
//! Only where the process or the system has no descriptor left, nothing was
//! tried: that passes, and is tried again.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::directory::Directory;
use crate::head::Head;
use crate::segment::Segment;
use crate::shared::{Line, Shared, Unsynced, Work};

/// How long descriptors may be lacking, and how long to rest between two tries.
/// Whoever waits for a record waits meanwhile.
const PATIENCE: Duration = Duration::from_mins(2);
const REST: Duration = Duration::from_millis(50);

/// Everything that the thread owns.
#[derive(Debug)]
pub(crate) struct Writer {
    directory: Directory,
    segment: Segment,
    max_segment_bytes: u64,
    shared: Arc<Shared>,
    /// The last record that is written, and the last that is durable.
    written: u64,
    durable: u64,
    /// Since when there is a difference.
    since: Option<Instant>,
    /// To be written once what it names is durable.
    head: Option<Head>,
}

impl Writer {
    /// Writes on in `segment`, after the record `last`.
    pub(crate) fn new(
        (directory, segment): (Directory, Segment),
        max_segment_bytes: u64,
        shared: Arc<Shared>,
        last: u64,
    ) -> Self {
        let (written, durable, since, head) = (last, last, None, None);
        Self { directory, segment, max_segment_bytes, shared, written, durable, since, head }
    }

    /// Writes until the journal is closed or cannot be written.
    pub(crate) fn run(mut self) {
        while let Some(work) = self.shared.next(self.unsynced()) {
            if let Err(error) = self.carry_out(work) {
                let path = self.directory.path().display();
                tracing::error!(%error, journal = %path, "the journal cannot be written");
                self.shared.fail(&format!("{path}: {error}"));
                return;
            }
        }
    }

    fn unsynced(&self) -> Option<Unsynced> {
        self.since.map(|since| Unsynced { since, durable: self.durable })
    }

    fn carry_out(&mut self, work: Work) -> io::Result<()> {
        match work {
            Work::Sync => self.sync(),
            Work::Write(batch) => {
                self.write(batch)?;
                // Asked here, too: where lines never cease to come, nobody waits on.
                match self.unsynced() {
                    Some(unsynced) if self.shared.is_due(unsynced) => self.sync(),
                    _ => Ok(()),
                }
            }
        }
    }

    fn write(&mut self, batch: VecDeque<Line>) -> io::Result<()> {
        let Some(last) = batch.back().map(|line| line.sequence) else { return Ok(()) };
        let mut text = String::new();
        for line in batch {
            let filled = self.segment.length() + text.len() as u64;
            if filled > 0 && filled + line.text.len() as u64 > self.max_segment_bytes {
                self.rotate(&text, line.sequence)?;
                text.clear();
            }
            text.push_str(&line.text);
            self.head = line.head.or(self.head.take());
        }
        self.segment.write(text.as_bytes())?;
        self.written = last;
        self.since.get_or_insert_with(Instant::now);
        self.shared.report(|progress| progress.written = last);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let began = Instant::now();
        self.segment.sync()?;
        let took = began.elapsed();
        (self.durable, self.since) = (self.written, None);
        self.shared.report(|progress| {
            progress.durable = self.durable;
            progress.syncs.add(took);
        });
        match self.head.take() {
            Some(head) => patiently(PATIENCE, || head.write(&self.directory)),
            None => Ok(()),
        }
    }

    /// Finishes this segment and begins the one that starts with `first`.
    fn rotate(&mut self, text: &str, first: u64) -> io::Result<()> {
        self.segment.write(text.as_bytes())?;
        self.segment.sync()?;
        self.segment = patiently(PATIENCE, || Segment::open(&self.directory, first))?;
        Ok(())
    }
}

/// Tries until there is a descriptor for it.
fn patiently<T>(patience: Duration, mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let began = Instant::now();
    let mut told = false;
    loop {
        match attempt() {
            Err(error) if lacks_descriptor(&error) && began.elapsed() < patience => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "the journal waits for a descriptor");
                }
                std::thread::sleep(REST);
            }
            other => return other,
        }
    }
}

/// `ENFILE` or `EMFILE`, as Linux numbers them: see open(2).
fn lacks_descriptor(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lack_of_descriptors_is_waited_out_and_not_for_ever() {
        let mut errors = vec![24, 23, 24];
        let mut count = 0;
        let tried = patiently(PATIENCE, || {
            count += 1;
            errors.pop().map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
        });
        assert!(tried.is_ok() && count == 4);
        let full = patiently(PATIENCE, || io::Result::<()>::Err(io::Error::from_raw_os_error(28)));
        assert_eq!(full.unwrap_err().raw_os_error(), Some(28));
        let lacking = || io::Result::<()>::Err(io::Error::from_raw_os_error(24));
        assert_eq!(patiently(Duration::ZERO, lacking).unwrap_err().raw_os_error(), Some(24));
    }
}
