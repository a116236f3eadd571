//! What happened to a host, on its way into the gateway's journal.
//!
//! An event is written in the transaction of what it tells, by whichever process did
//! it, and taken out when the running gateway has recorded it. So nothing that an
//! owner's command did is left out, also while no gateway runs.

use cofferdam_journal::{Peer, PeerStep};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::state::{Moment, StateError};

/// How late an event is recorded without its own time.
const LATE: u64 = 60;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, in seconds since 1970.
    pub at: u64,
    /// The host or gateway.
    pub peer: String,
    /// What happened.
    pub step: PeerStep,
    /// Who did it: a user of the gateway's machine; empty: nobody did.
    pub by: String,
    /// In words.
    pub detail: String,
}

impl Event {
    /// As it stands in the journal. One that waited says when it happened.
    #[must_use]
    pub fn recorded(&self, now: u64) -> Peer {
        let Self { at, peer, step, by, detail } = self;
        let mut detail = detail.clone();
        if now.saturating_sub(*at) > LATE {
            let then = i64::try_from(*at).ok().and_then(|at| Timestamp::from_second(at).ok());
            if let Some(then) = then {
                let gap = if detail.is_empty() { "" } else { "; " };
                detail = format!("{detail}{gap}happened at {then}");
            }
        }
        Peer { peer: peer.clone(), step: *step, by: by.clone(), detail }
    }

    /// Keeps it until it is recorded.
    pub(crate) fn note(&self, connection: &Connection) -> Result<(), StateError> {
        let Self { at, peer, step, by, detail } = self;
        connection
            .prepare_cached(
                "INSERT INTO event (at, peer, step, by, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![at, peer, serde_json::to_string(step)?, by, detail])?;
        Ok(())
    }

    /// Those that are not recorded yet, oldest first, each with its number.
    pub(crate) fn open(connection: &Connection) -> Result<Vec<(i64, Self)>, StateError> {
        let mut statement = connection
            .prepare_cached("SELECT id, at, peer, step, by, detail FROM event ORDER BY id")?;
        let mut rows = statement.query([])?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            let step: String = row.get(3)?;
            let event = Self {
                at: row.get(1)?,
                peer: row.get(2)?,
                step: serde_json::from_str(&step)?,
                by: row.get(4)?,
                detail: row.get(5)?,
            };
            events.push((row.get(0)?, event));
        }
        Ok(events)
    }

    /// Forgets those up to this number.
    pub(crate) fn forget(connection: &Connection, up_to: i64) -> Result<(), StateError> {
        connection.prepare_cached("DELETE FROM event WHERE id <= ?1")?.execute([up_to])?;
        Ok(())
    }
}

/// An event that nobody in particular did.
pub(crate) fn event(peer: &str, step: PeerStep, detail: impl Into<String>, now: Moment) -> Event {
    let detail = detail.into();
    Event { at: now.seconds(), peer: peer.to_owned(), step, by: String::new(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_waited_says_when_it_happened() {
        let event = Event {
            at: 0,
            peer: "web-1".to_owned(),
            step: PeerStep::Revoked,
            by: "root".to_owned(),
            detail: String::new(),
        };
        assert_eq!(event.recorded(30).detail, "");
        assert_eq!(event.recorded(90).detail, "happened at 1970-01-01T00:00:00Z");
    }
}
