//! Requests for approval in SQLite, so that they survive a restart.
//!
//! Each change is one transaction that holds the write lock from its first
//! look: two people who answer at once, or two calls that want to use the same
//! approval, are told one after the other how it stands.

mod answering;
mod asking;
mod error;
mod row;

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::request::{Request, State};
use crate::database;
pub use error::ApprovalError;
use row::{COLUMNS, get, own, raw, request, set_state};

const CREATE: &str = "
    CREATE TABLE request (
        id TEXT PRIMARY KEY,
        binding TEXT NOT NULL,
        token_id TEXT NOT NULL,
        session TEXT NOT NULL,
        user TEXT NOT NULL,
        state TEXT NOT NULL,
        scope TEXT,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        question TEXT NOT NULL,
        votes TEXT NOT NULL DEFAULT '[]',
        result TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX request_binding ON request (binding, state);
    CREATE INDEX request_state ON request (state, expires_at);
";

/// How long what is over is kept, in seconds.
const KEPT: u64 = 30 * 24 * 60 * 60;

/// How long the results of what is over are kept, in seconds: they hold what
/// files and programs said.
pub(crate) const RESULT_KEPT: u64 = 24 * 60 * 60;

/// The longest that people can agree to the same call of a session.
const SESSION_SECONDS: u64 = 12 * 60 * 60;

/// The store.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Mutex<Connection>,
}

/// A request that a call waits for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// Whether this call made it, rather than found it.
    pub(crate) is_new: bool,
}

/// How many requests may be open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of all users.
    pub(crate) all: usize,
    /// Of one user.
    pub(crate) each: usize,
}

impl Store {
    /// Opens the store at `path`, and makes it, mode 0600, where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, ApprovalError> {
        let connection = database::open("approvals", path, &[CREATE])?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The request `id`.
    pub(crate) fn get(&self, id: &str) -> Result<Request, ApprovalError> {
        self.change(|transaction| get(transaction, id))
    }

    /// The request `id` of this token, and what the call that waited for it came
    /// to. Of others' requests it says no more than of those that never were.
    pub(crate) fn own(
        &self,
        id: &str,
        token_id: &str,
    ) -> Result<(Request, Option<String>), ApprovalError> {
        self.change(|transaction| {
            let request = own(transaction, id, token_id)?;
            let result =
                transaction.query_row("SELECT result FROM request WHERE id = ?1", [id], |row| {
                    row.get(0)
                })?;
            Ok((request, result))
        })
    }

    /// Requests in this state, or all; of this tenant, or of all; newest first, at
    /// most `limit`.
    pub(crate) fn list(
        &self,
        state: Option<State>,
        tenant: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Request>, ApprovalError> {
        let connection = self.lock()?;
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM request
             WHERE (?1 IS NULL OR state = ?1)
               AND (?2 IS NULL OR json_extract(question, '$.asker.tenant') = ?2)
             ORDER BY created_at DESC, id LIMIT ?3"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![state.map(State::name), tenant, limit], raw)?;
        rows.map(|row| request(row?)).collect()
    }

    /// How many requests wait for an answer.
    pub(crate) fn pending(&self) -> Result<usize, ApprovalError> {
        let connection = self.lock()?;
        let mut statement =
            connection.prepare_cached("SELECT count(*) FROM request WHERE state = 'pending'")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Keeps what the call that waited came to.
    pub(crate) fn keep_result(&self, id: &str, result: &str) -> Result<(), ApprovalError> {
        let connection = self.lock()?;
        connection.execute("UPDATE request SET result = ?2 WHERE id = ?1", params![id, result])?;
        Ok(())
    }

    /// Marks what ran out of time, and returns it.
    pub(crate) fn expire(&self, now: u64) -> Result<Vec<Request>, ApprovalError> {
        self.change(|transaction| {
            let mut expired = {
                let mut statement = transaction.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM request
                     WHERE state IN ('pending', 'approved') AND expires_at <= ?1"
                ))?;
                let rows = statement.query_map([now], raw)?;
                rows.map(|row| request(row?)).collect::<Result<Vec<_>, ApprovalError>>()?
            };
            for request in &mut expired {
                set_state(transaction, &request.id, State::Expired)?;
                request.state = State::Expired;
            }
            Ok(expired)
        })
    }

    /// Forgets what is long over, and results sooner.
    pub(crate) fn forget(&self, now: u64) -> Result<(), ApprovalError> {
        self.change(|transaction| {
            transaction.execute(
                "DELETE FROM request
                 WHERE state NOT IN ('pending', 'approved') AND expires_at < ?1",
                [now.saturating_sub(KEPT)],
            )?;
            transaction.execute(
                "UPDATE request SET result = NULL WHERE result IS NOT NULL
                     AND state NOT IN ('pending', 'approved') AND expires_at < ?1",
                [now.saturating_sub(RESULT_KEPT)],
            )?;
            Ok(())
        })
    }

    fn change<T, E: From<ApprovalError>>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.lock()?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(ApprovalError::from)?;
        let changed = change(&transaction)?;
        transaction.commit().map_err(ApprovalError::from)?;
        Ok(changed)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>, ApprovalError> {
        self.connection.lock().map_err(|_| ApprovalError::Poisoned)
    }
}

#[cfg(test)]
mod tests;
