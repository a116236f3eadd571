//! What one file has of the unit, entry by entry, in the direction of reading.
//!
//! The lists of a file are merged by where the entries stand, which is the order in
//! which they were written. What is damaged is counted and passed over; a file with too
//! much of it is given up. Used by `merge.rs`.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use super::budget::{Budget, Fault};
use super::cursor::Cursor;
use super::fields::Fields;
use super::file::File;
use super::object::EntryObject;
use super::page::{Entry, Gap};
use super::places::Found;
use super::query::{Query, Start};
use super::selection::{self, Priorities, Strand};

/// How many damaged entries of a file are passed over.
const MAX_DAMAGED: u64 = 1_000;

/// A file that has entries of the unit.
pub(super) struct Source<'b> {
    file: File<'b>,
    lists: Vec<List>,
    priorities: Priorities,
    range: Range,
    fields: Fields,
    damaged: Damaged,
    head: Option<Head>,
}

/// The entry that comes next.
pub(super) struct Head {
    pub(super) cursor: Cursor,
    data: Vec<u64>,
    /// It belongs to the unit and is urgent enough.
    pub(super) wanted: bool,
}

/// Between which bounds to read, and in which direction.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) backward: bool,
    /// Microseconds since 1970.
    since: u64,
    until: u64,
    /// The entry not to reach: of what is read, it is before the first.
    start: Option<Cursor>,
}

/// A list, and the number of its entry that comes next.
struct List {
    strand: Strand,
    next: Option<u64>,
}

/// What could not be read of a file.
#[derive(Default)]
struct Damaged {
    entries: u64,
    first: Option<String>,
    file: Option<String>,
}

impl<'b> Source<'b> {
    /// Opens a file and finds where to begin; `None`: nothing of the unit is in it.
    pub(super) fn open(
        found: &Found,
        query: &Query,
        budget: &'b Budget,
    ) -> Result<Option<Self>, Fault> {
        let file = File::open(&found.path, budget)?;
        let (strands, broken) = selection::strands(&file, &query.unit)?;
        if strands.is_empty() && broken.is_none() {
            return Ok(None);
        }
        let priorities = Priorities::of(&file, query.priority)?;
        let range = Range::of(query);
        let mut lists = Vec::new();
        for mut strand in strands {
            let next = range.begin(&file, &mut strand)?;
            lists.push(List { strand, next });
        }
        let damaged = Damaged { file: broken.map(|fault| fault.to_string()), ..Damaged::default() };
        let fields = Fields::default();
        Ok(Some(Self { file, lists, priorities, range, fields, damaged, head: None }))
    }

    /// The entry that comes next, if there is one.
    pub(super) fn head(&mut self) -> Result<Option<&Head>, Fault> {
        while self.head.is_none() {
            let Some(at) = self.nearest()? else { break };
            let taken_by = self.step(at)?;
            match EntryObject::read(&self.file, at) {
                Ok(entry) => self.offer(entry, &taken_by),
                Err(stopped @ Fault::Stopped(_)) => return Err(stopped),
                Err(fault) => self.pass_over(&fault),
            }
        }
        Ok(self.head.as_ref())
    }

    /// Takes the head, so that the next comes.
    pub(super) fn take(&mut self) -> Option<Head> {
        self.head.take()
    }

    /// What the entry says.
    pub(super) fn read(&mut self, head: &Head) -> Result<Entry, Fault> {
        self.fields.read(&self.file, head.cursor, &head.data)
    }

    /// What could not be read.
    pub(super) fn gaps(self) -> Vec<Gap> {
        let path = self.file.path().to_owned();
        let mut gaps = Vec::new();
        if let Some(reason) = self.damaged.file {
            gaps.push(Gap::FileDamaged { path: path.clone(), reason });
        }
        if let Some(reason) = self.damaged.first {
            let count = self.damaged.entries;
            gaps.push(Gap::EntriesDamaged { path: path.clone(), count, reason });
        }
        if let Some((count, reason)) = self.fields.unread() {
            gaps.push(Gap::FieldsUnread { path, count, reason });
        }
        gaps
    }

    /// Where the next entry of all lists stands.
    fn nearest(&mut self) -> Result<Option<u64>, Fault> {
        let mut nearest: Option<u64> = None;
        for list in &mut self.lists {
            let Some(number) = list.next else { continue };
            match list.strand.chain.entry(&self.file, number) {
                Ok(at) => {
                    let nearer =
                        |known: u64| if self.range.backward { at > known } else { at < known };
                    if nearest.is_none_or(nearer) {
                        nearest = Some(at);
                    }
                }
                Err(stopped @ Fault::Stopped(_)) => return Err(stopped),
                Err(fault) => {
                    list.next = None;
                    self.damaged.file.get_or_insert_with(|| fault.to_string());
                }
            }
        }
        Ok(nearest)
    }

    /// Moves all lists on that have this entry, and says which they are.
    fn step(&mut self, at: u64) -> Result<Vec<usize>, Fault> {
        let mut taken_by = Vec::new();
        for (index, list) in self.lists.iter_mut().enumerate() {
            let Some(number) = list.next else { continue };
            if list.strand.chain.entry(&self.file, number)? == at {
                taken_by.push(index);
                let last = list.strand.chain.length().saturating_sub(1);
                list.next = if self.range.backward {
                    number.checked_sub(1)
                } else {
                    (number < last).then_some(number + 1)
                };
            }
        }
        Ok(taken_by)
    }

    /// Makes the entry the head, if it lies within the range.
    fn offer(&mut self, entry: EntryObject, taken_by: &[usize]) {
        match self.range.place(&entry.cursor) {
            Place::NotYet => {}
            Place::Beyond => self.end(),
            Place::Within => {
                let takes = |&index: &usize| {
                    self.lists.get(index).is_some_and(|list| list.strand.takes(&entry.data))
                };
                let wanted = taken_by.iter().any(takes) && self.priorities.take(&entry.data);
                self.head = Some(Head { cursor: entry.cursor, data: entry.data, wanted });
            }
        }
    }

    fn pass_over(&mut self, fault: &Fault) {
        self.damaged.entries += 1;
        self.damaged.first.get_or_insert_with(|| fault.to_string());
        if self.damaged.entries >= MAX_DAMAGED {
            let reason = "too many of its entries are damaged";
            self.damaged.file.get_or_insert_with(|| reason.into());
            self.end();
        }
    }

    fn end(&mut self) {
        for list in &mut self.lists {
            list.next = None;
        }
    }
}

/// Where an entry lies, seen in the direction of reading.
enum Place {
    NotYet,
    Within,
    Beyond,
}

impl Range {
    pub(super) fn of(query: &Query) -> Self {
        let (backward, start) = match &query.start {
            Start::Tail => (true, None),
            Start::Before(cursor) => (true, Some(*cursor)),
            Start::After(cursor) => (false, Some(*cursor)),
        };
        Self {
            backward,
            since: query.since.map_or(0, microseconds),
            until: query.until.map_or(u64::MAX, microseconds),
            start,
        }
    }

    fn place(&self, entry: &Cursor) -> Place {
        let (early, late) = (entry.realtime < self.since, entry.realtime > self.until);
        let (behind, beyond) = if self.backward { (late, early) } else { (early, late) };
        if behind || !self.past_start(entry) {
            Place::NotYet
        } else if beyond {
            Place::Beyond
        } else {
            Place::Within
        }
    }

    fn past_start(&self, entry: &Cursor) -> bool {
        let wanted = if self.backward { Ordering::Less } else { Ordering::Greater };
        self.start.is_none_or(|start| entry.order(&start) == wanted)
    }

    /// The number of the first entry to read in the direction of reading. Where bisection
    /// meets damage, reading begins at the end, and passes over what is not yet within.
    fn begin(&self, file: &File<'_>, strand: &mut Strand) -> Result<Option<u64>, Fault> {
        let length = strand.chain.length();
        let before = |entry: &Cursor| {
            if self.backward {
                entry.realtime <= self.until && self.past_start(entry)
            } else {
                entry.realtime < self.since || !self.past_start(entry)
            }
        };
        let bounded = self.start.is_some()
            || if self.backward { self.until != u64::MAX } else { self.since != 0 };
        let number = if bounded {
            let found = strand
                .chain
                .bisect(file, |at| EntryObject::cursor(file, at).map(|entry| before(&entry)));
            match found {
                Err(stopped @ Fault::Stopped(_)) => return Err(stopped),
                Err(_) if self.backward => length,
                Err(_) => 0,
                Ok(number) => number,
            }
        } else if self.backward {
            length
        } else {
            0
        };
        Ok(if self.backward { number.checked_sub(1) } else { (number < length).then_some(number) })
    }
}

/// Microseconds since 1970; what lies before is 0.
fn microseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
