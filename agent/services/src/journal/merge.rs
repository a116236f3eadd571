//! One page out of all files: merges what each has, and stops where the page is full.
//!
//! Called by `journal.rs`.

use std::cmp::Ordering;
use std::io;

use super::JournalError;
use super::budget::{Budget, Fault};
use super::cursor::Cursor;
use super::page::{Entry, Gap, Page};
use super::places::{Files, Found};
use super::query::{MAX_BYTES, MAX_LINES, Query, Start};
use super::source::{Head, Source};

/// Reads a page.
pub(super) fn page(files: Files, query: &Query, budget: &Budget) -> Result<Page, JournalError> {
    let mut reading = Reading::new(query, files.gaps);
    let mut sources = reading.open(files.files, budget)?;
    if reading.stopped.is_none() {
        reading.stopped = reading.read(&mut sources).err();
    }
    for source in sources {
        reading.gaps.extend(source.gaps());
    }
    Ok(reading.page())
}

/// A page while it is read.
struct Reading<'q> {
    query: &'q Query,
    backward: bool,
    lines: usize,
    bytes: usize,
    entries: Vec<Entry>,
    used: usize,
    /// The last entry that was looked at, shown or not.
    examined: Option<Cursor>,
    /// There may be more.
    more: bool,
    /// Messages that were searched in part.
    cut: u64,
    /// The bound at which reading stopped.
    stopped: Option<&'static str>,
    gaps: Vec<Gap>,
}

impl<'q> Reading<'q> {
    fn new(query: &'q Query, gaps: Vec<Gap>) -> Self {
        Self {
            query,
            backward: !matches!(query.start, Start::After(_)),
            lines: query.lines.clamp(1, MAX_LINES),
            bytes: query.bytes.min(MAX_BYTES),
            entries: Vec::new(),
            used: 0,
            examined: None,
            more: false,
            cut: 0,
            stopped: None,
            gaps,
        }
    }

    /// Opens the files that have something of the unit.
    fn open<'b>(
        &mut self,
        files: Vec<Found>,
        budget: &'b Budget,
    ) -> Result<Vec<Source<'b>>, JournalError> {
        let (mut sources, mut closed) = (Vec::new(), None);
        let mut readable = false;
        let total = files.len();
        for (looked, found) in files.into_iter().enumerate() {
            match Source::open(&found, self.query, budget) {
                Ok(source) => {
                    readable = true;
                    sources.extend(source);
                }
                // It was rotated away meanwhile.
                Err(Fault::Read(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(Fault::Stopped(bound)) => {
                    self.stopped = Some(bound);
                    self.gaps.push(Gap::FilesNotLooked { count: total - looked });
                    break;
                }
                Err(fault) => {
                    let denied =
                        |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
                    let reason = fault.to_string();
                    let gap = Gap::FileSkipped { path: found.path, reason };
                    match &fault {
                        Fault::Read(error) if denied(error) => closed = Some(gap.to_string()),
                        _ => readable = true,
                    }
                    self.gaps.push(gap);
                }
            }
        }
        match closed {
            Some(reason) if !readable => Err(JournalError::Closed { reason }),
            _ => Ok(sources),
        }
    }

    /// Takes entries until the page is full or nothing is left; an error is the bound at
    /// which it stopped.
    fn read(&mut self, sources: &mut [Source<'_>]) -> Result<(), &'static str> {
        let stopped = |fault| match fault {
            Fault::Stopped(bound) => bound,
            // Everything else is a matter of the file, and told there.
            _ => "what its files allow",
        };
        self.more = true;
        let mut last = None;
        while let Some(nearest) = nearest(sources, self.backward).map_err(stopped)? {
            if self.entries.len() >= self.lines {
                return Ok(());
            }
            let source = &mut sources[nearest];
            let Some(head) = source.take() else { break };
            // The same entry may be in two files, while journald moves them to disk.
            let again = last == Some(head.cursor);
            if head.wanted && !again {
                let entry = source.read(&head).map_err(stopped)?;
                if !self.add(entry) {
                    return Ok(());
                }
            }
            last = Some(head.cursor);
            self.examined = Some(head.cursor);
        }
        self.more = false;
        Ok(())
    }

    /// Adds the entry, if it is searched for; false: it does not fit any more.
    fn add(&mut self, mut entry: Entry) -> bool {
        if let Some(veil) = self.query.veil {
            entry.message = veil(&entry.message);
        }
        let searched = self.query.grep.as_ref();
        if searched.is_some_and(|grep| !grep.finds(&entry.message)) {
            self.cut += u64::from(entry.left_out > 0);
            return true;
        }
        let left = self.bytes - self.used.min(self.bytes);
        if entry.message.len() > left {
            if !self.entries.is_empty() {
                return false;
            }
            let shown = crate::plain::plain(entry.message.as_bytes(), left);
            entry.message = shown.text;
            entry.left_out += shown.left_out as u64;
        }
        self.used += entry.message.len();
        self.entries.push(entry);
        true
    }

    fn page(mut self) -> Page {
        if self.backward {
            self.entries.reverse();
        }
        if self.cut > 0 {
            self.gaps.push(Gap::CutBeforeSearch { count: self.cut });
        }
        if let Some(bound) = self.stopped {
            self.gaps.push(Gap::Stopped { bound });
        }
        let next = self.examined.filter(|_| self.more);
        Page { entries: self.entries, next, gaps: self.gaps }
    }
}

/// The file whose next entry comes first in the direction of reading.
fn nearest(sources: &mut [Source<'_>], backward: bool) -> Result<Option<usize>, Fault> {
    let wanted = if backward { Ordering::Greater } else { Ordering::Less };
    let mut nearest: Option<(usize, Cursor)> = None;
    for (index, source) in sources.iter_mut().enumerate() {
        let Some(Head { cursor, .. }) = source.head()? else { continue };
        if nearest.is_none_or(|(_, known)| cursor.order(&known) == wanted) {
            nearest = Some((index, *cursor));
        }
    }
    Ok(nearest.map(|(index, _)| index))
}
