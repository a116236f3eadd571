//! The one thread that writes: takes every line that waits, writes them in one
//! go, and makes the disk keep them with one fdatasync. Callers that append
//! while it is busy share the next one.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::directory::Directory;
use crate::segment::Segment;
use crate::shared::{Line, Shared};

/// Everything that the thread owns.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) directory: Directory,
    pub(crate) segment: Segment,
    pub(crate) max_segment_bytes: u64,
    pub(crate) shared: Arc<Shared>,
}

impl Writer {
    /// Writes until the journal is closed or cannot be written.
    pub(crate) fn run(mut self) {
        while let Some(batch) = self.shared.take() {
            if let Err(error) = self.commit(batch) {
                let path = self.directory.path().display();
                tracing::error!(%error, journal = %path, "the journal cannot be written");
                self.shared.fail(&format!("{path}: {error}"));
                return;
            }
        }
    }

    fn commit(&mut self, batch: VecDeque<Line>) -> io::Result<()> {
        let Some(last) = batch.back().map(|line| line.sequence) else { return Ok(()) };
        let mut head = None;
        let mut text = String::new();
        for line in batch {
            let filled = self.segment.length() + text.len() as u64;
            if filled > 0 && filled + line.text.len() as u64 > self.max_segment_bytes {
                self.rotate(&text, line.sequence)?;
                text.clear();
            }
            text.push_str(&line.text);
            head = line.head.or(head);
        }
        self.segment.write(text.as_bytes())?;
        self.shared.report(|progress| progress.written = last);
        self.segment.sync()?;
        self.shared.report(|progress| {
            progress.durable = last;
            progress.syncs += 1;
        });
        match head {
            Some(head) => head.write(&self.directory),
            None => Ok(()),
        }
    }

    /// Finishes this segment and begins the one that starts with `first`.
    fn rotate(&mut self, text: &str, first: u64) -> io::Result<()> {
        self.segment.write(text.as_bytes())?;
        self.segment.sync()?;
        self.segment = Segment::open(&self.directory, first)?;
        Ok(())
    }
}
