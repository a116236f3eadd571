//! The SQLite file of what holds hosts back, mode 0600: every word that was said,
//! the last of each kind about a host being the one that counts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{Change, HeldBack, Hold, HoldsError, Since};
use crate::database;

/// `hold`: `drain` or `freeze`; `holds`: from then on it does, or does not any more.
const CREATE: &str = "
    CREATE TABLE said (
        id INTEGER PRIMARY KEY,
        host TEXT NOT NULL,
        hold TEXT NOT NULL,
        holds INTEGER NOT NULL,
        at INTEGER NOT NULL,
        by TEXT NOT NULL,
        reason TEXT NOT NULL,
        is_recorded INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX said_host ON said (host, hold, id);
    CREATE INDEX said_unrecorded ON said (id) WHERE is_recorded = 0;
";

#[derive(Debug)]
pub(super) struct Store(Mutex<Connection>);

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, HoldsError> {
        Ok(Self(Mutex::new(database::open("file of held hosts", path, &[CREATE])?)))
    }

    pub(super) fn set(
        &self,
        host: &str,
        hold: Hold,
        holds: bool,
        since: &Since,
    ) -> Result<bool, HoldsError> {
        let mut connection = self.lock();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let last: Option<bool> = change
            .query_row(
                "SELECT holds FROM said WHERE host = ?1 AND hold = ?2 ORDER BY id DESC LIMIT 1",
                params![host, hold.name()],
                |row| row.get(0),
            )
            .optional()?;
        if last.unwrap_or(false) == holds {
            return Ok(false);
        }
        let Since { at, by, reason } = since;
        change.execute(
            "INSERT INTO said (host, hold, holds, at, by, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![host, hold.name(), holds, at, by, reason],
        )?;
        change.commit()?;
        Ok(true)
    }

    pub(super) fn now(&self) -> Result<BTreeMap<String, HeldBack>, HoldsError> {
        let last = self.read(
            "SELECT id, host, hold, holds, at, by, reason FROM said
             WHERE id IN (SELECT max(id) FROM said GROUP BY host, hold) AND holds",
        )?;
        let mut holds: BTreeMap<String, HeldBack> = BTreeMap::new();
        for Change { id: _, host, hold, holds: _, since } in last {
            let held_back = holds.entry(host).or_default();
            match hold {
                Hold::Drain => held_back.drained = Some(since),
                Hold::Freeze => held_back.frozen = Some(since),
            }
        }
        Ok(holds)
    }

    pub(super) fn unrecorded(&self) -> Result<Vec<Change>, HoldsError> {
        self.read(
            "SELECT id, host, hold, holds, at, by, reason FROM said
             WHERE is_recorded = 0 ORDER BY id",
        )
    }

    pub(super) fn recorded(&self, id: i64) -> Result<(), HoldsError> {
        self.lock().execute("UPDATE said SET is_recorded = 1 WHERE id = ?1", params![id])?;
        Ok(())
    }

    /// Another connection's writing changes it (PRAGMA data_version).
    pub(super) fn version(&self) -> Result<i64, HoldsError> {
        Ok(self.lock().pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    fn read(&self, query: &str) -> Result<Vec<Change>, HoldsError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(query)?;
        let rows = statement.query_map([], |row| {
            let since = Since { at: row.get(4)?, by: row.get(5)?, reason: row.get(6)? };
            let said: String = row.get(2)?;
            Ok((row.get(0)?, row.get(1)?, said, row.get(3)?, since))
        })?;
        rows.map(|row| {
            let (id, host, said, holds, since) = row?;
            let hold = [Hold::Drain, Hold::Freeze].into_iter().find(|hold| hold.name() == said);
            let hold = hold.ok_or(HoldsError::Unknown(said))?;
            Ok(Change { id, host, hold, holds, since })
        })
        .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic broke off is rolled back by its own end.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
