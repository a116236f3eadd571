//! What an entry says: the fields that are shown, out of all that it has.
//!
//! Which field a data object is shows only when it is read. Most are shared by many
//! entries (host name, boot, unit), and are remembered as such. Used by `source.rs`.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::budget::Fault;
use super::cursor::Cursor;
use super::file::File;
use super::object::Data;
use super::page::Entry;
use super::query::Priority;
use super::unpack::{self, Unpacked};
use crate::plain::plain;

/// The longest message that is shown, in bytes.
const MAX_MESSAGE: usize = 16 << 10;
/// The longest identifier that is shown, in bytes.
const MAX_IDENTIFIER: usize = 256;
/// Enough for the longest of all fields that are shown, with its name.
const MAX_PAYLOAD: usize = MAX_MESSAGE + 64;
/// How many shared fields of a file are remembered.
const MAX_SHARED: usize = 4_096;

/// Reads the fields of one file's entries.
#[derive(Debug, Default)]
pub(super) struct Fields {
    shared: HashMap<u64, Field>,
    unread: u64,
    reason: Option<String>,
}

/// One field.
#[derive(Debug, Clone)]
enum Field {
    Message {
        text: String,
        left_out: u64,
    },
    Priority(Option<Priority>),
    SyslogIdentifier(String),
    Comm(String),
    Pid(Option<u32>),
    SyslogPid(Option<u32>),
    /// One that is not shown.
    Other,
}

impl Fields {
    /// Reads an entry that has these data objects. What cannot be read is counted.
    pub(super) fn read(
        &mut self,
        file: &File<'_>,
        cursor: Cursor,
        data: &[u64],
    ) -> Result<Entry, Fault> {
        let mut shown = Shown::default();
        for &at in data {
            match self.field(file, at) {
                Ok(field) => shown.take(field),
                Err(stopped @ Fault::Stopped(_)) => return Err(stopped),
                Err(fault) => {
                    shown.unread += 1;
                    self.unread += 1;
                    self.reason.get_or_insert_with(|| fault.to_string());
                }
            }
        }
        Ok(shown.entry(cursor))
    }

    /// How many fields could not be read, and why the first could not.
    pub(super) fn unread(&self) -> Option<(u64, String)> {
        self.reason.clone().map(|reason| (self.unread, reason))
    }

    fn field(&mut self, file: &File<'_>, at: u64) -> Result<Field, Fault> {
        if let Some(known) = self.shared.get(&at) {
            return Ok(known.clone());
        }
        let data = Data::read(file, at)?;
        // What starts with another name, and is not packed, is not read to its end.
        let (bytes, length) = if data.packed == 0 && Name::of(&data.start).is_none() {
            (Vec::new(), 0)
        } else {
            match unpack::payload(file, &data, MAX_PAYLOAD)? {
                Unpacked::Payload { bytes, length } => (bytes, length),
                Unpacked::Not(why) => return Err(Fault::Unknown(why.into())),
            }
        };
        let field = Field::decode(&bytes, length);
        if data.entries > 1 && !matches!(field, Field::Message { .. }) {
            if self.shared.len() >= MAX_SHARED {
                self.shared.clear();
            }
            self.shared.insert(at, field.clone());
        }
        Ok(field)
    }
}

/// The names of the fields that are shown.
#[derive(Clone, Copy)]
enum Name {
    Message,
    Priority,
    SyslogIdentifier,
    Comm,
    Pid,
    SyslogPid,
}

impl Name {
    const ALL: [(Self, &'static [u8]); 6] = [
        (Self::Message, b"MESSAGE="),
        (Self::Priority, b"PRIORITY="),
        (Self::SyslogIdentifier, b"SYSLOG_IDENTIFIER="),
        (Self::Comm, b"_COMM="),
        (Self::Pid, b"_PID="),
        (Self::SyslogPid, b"SYSLOG_PID="),
    ];

    /// Which one a payload has, and its value.
    fn of(payload: &[u8]) -> Option<(Self, &[u8])> {
        Self::ALL.into_iter().find_map(|(name, start)| Some((name, payload.strip_prefix(start)?)))
    }
}

impl Field {
    /// From the begin of a payload that has this length.
    fn decode(payload: &[u8], length: u64) -> Self {
        let Some((name, value)) = Name::of(payload) else { return Self::Other };
        let unread = length.saturating_sub(payload.len() as u64);
        match name {
            Name::Message => {
                let shown = plain(value, MAX_MESSAGE);
                Self::Message { text: shown.text, left_out: shown.left_out as u64 + unread }
            }
            Name::Priority => Self::Priority(number(value).and_then(Priority::from_number)),
            Name::SyslogIdentifier => Self::SyslogIdentifier(identifier(value)),
            Name::Comm => Self::Comm(identifier(value)),
            Name::Pid => Self::Pid(number(value)),
            Name::SyslogPid => Self::SyslogPid(number(value)),
        }
    }
}

/// The fields of one entry, the first of each name.
#[derive(Default)]
struct Shown {
    message: Option<(String, u64)>,
    priority: Option<Priority>,
    syslog_identifier: Option<String>,
    comm: Option<String>,
    pid: Option<u32>,
    syslog_pid: Option<u32>,
    unread: u32,
}

impl Shown {
    fn take(&mut self, field: Field) {
        match field {
            Field::Message { text, left_out } => {
                self.message.get_or_insert((text, left_out));
            }
            Field::Priority(priority) => self.priority = self.priority.or(priority),
            Field::SyslogIdentifier(name) => {
                self.syslog_identifier.get_or_insert(name);
            }
            Field::Comm(name) => {
                self.comm.get_or_insert(name);
            }
            Field::Pid(pid) => self.pid = self.pid.or(pid),
            Field::SyslogPid(pid) => self.syslog_pid = self.syslog_pid.or(pid),
            Field::Other => {}
        }
    }

    fn entry(self, cursor: Cursor) -> Entry {
        let (message, left_out) = self.message.unwrap_or_default();
        Entry {
            realtime: SystemTime::UNIX_EPOCH
                .checked_add(Duration::from_micros(cursor.realtime))
                .unwrap_or(SystemTime::UNIX_EPOCH),
            priority: self.priority,
            identifier: self.syslog_identifier.or(self.comm),
            pid: self.pid.or(self.syslog_pid),
            message,
            left_out,
            unread_fields: self.unread,
            cursor,
        }
    }
}

fn identifier(value: &[u8]) -> String {
    plain(value, MAX_IDENTIFIER).text
}

fn number<N: std::str::FromStr>(value: &[u8]) -> Option<N> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}
