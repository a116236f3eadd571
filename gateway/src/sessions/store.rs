//! The SQLite file that sessions are kept in, mode 0600.
//!
//! Each change is one transaction that holds the write lock from its first look.

use std::sync::{Mutex, MutexGuard};

use cofferdam_trust::sha256;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::{NewSession, Session, SessionError};
use crate::caller::Caller;
use crate::config::SessionsConfig;
use crate::database;

/// `environment` is a JSON object of texts. `session_host`: which hosts may have cells
/// or runs of it.
const CREATE: &str = "
    CREATE TABLE session (
        hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
        id TEXT NOT NULL UNIQUE,
        tenant TEXT NOT NULL,
        user TEXT NOT NULL,
        project TEXT NOT NULL,
        host TEXT NOT NULL,
        profile TEXT,
        working_directory TEXT NOT NULL,
        environment TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        is_closing INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX session_owner ON session (tenant, user);
    CREATE TABLE session_host (
        session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        host TEXT NOT NULL,
        PRIMARY KEY (session, host)
    ) STRICT, WITHOUT ROWID;
";

const COLUMNS: &str = "id, project, host, profile, working_directory, environment, created_at, \
                       used_at, is_closing";

/// A use is written down at most once in so many parts of the idle time: each is a write
/// to the disk.
const PARTS: u64 = 20;

#[derive(Debug)]
pub(super) struct Store {
    connection: Mutex<Connection>,
    per_user: usize,
    /// Seconds.
    idle: u64,
}

impl Store {
    pub(super) fn open(config: &SessionsConfig) -> Result<Self, SessionError> {
        let connection = database::open("sessions", &config.state, &[CREATE])?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(Self {
            connection: Mutex::new(connection),
            per_user: config.per_user.get(),
            idle: config.idle.as_secs(),
        })
    }

    pub(super) fn make(
        &self,
        caller: &Caller,
        handle: &str,
        new: NewSession,
        now: u64,
    ) -> Result<Session, SessionError> {
        let NewSession { project, host, profile, working_directory, environment } = new;
        let id = uuid::Uuid::new_v4().to_string();
        let hash = sha256(handle.as_bytes());
        let text = serde_json::to_string(&environment)?;
        self.change(|transaction| {
            self.forget_old(transaction, now)?;
            let own: usize = transaction.query_row(
                "SELECT count(*) FROM session WHERE tenant = ?1 AND user = ?2",
                params![caller.tenant, caller.user],
                |row| row.get(0),
            )?;
            if own >= self.per_user {
                return Err(SessionError::TooMany(own));
            }
            transaction.execute(
                "INSERT INTO session (hash, id, tenant, user, project, host, profile,
                                      working_directory, environment, created_at, used_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
                params![
                    hash,
                    id,
                    caller.tenant,
                    caller.user,
                    project,
                    host,
                    profile,
                    working_directory,
                    text,
                    now,
                ],
            )?;
            Ok(())
        })?;
        Ok(Session {
            id,
            project,
            host,
            profile,
            working_directory,
            environment,
            created_at: now,
            used_at: now,
            hosts: Vec::new(),
            is_closing: false,
        })
    }

    pub(super) fn find(
        &self,
        caller: &Caller,
        handle: &str,
        now: u64,
    ) -> Result<Session, SessionError> {
        let connection = self.lock()?;
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM session
             WHERE hash = ?1 AND tenant = ?2 AND user = ?3 AND used_at > ?4"
        ))?;
        let hash = sha256(handle.as_bytes());
        let values = params![hash, caller.tenant, caller.user, self.oldest(now)];
        let found = statement.query_row(values, raw).optional()?;
        session(found.ok_or(SessionError::Unknown)?)
    }

    pub(super) fn used(&self, id: &str, host: &str, now: u64) -> Result<(), SessionError> {
        let due = now.saturating_sub(self.idle / PARTS);
        let is_noted = |connection: &Connection| {
            connection.query_row(
                "SELECT count(*) FROM session JOIN session_host ON session_host.session = id
                 WHERE id = ?1 AND session_host.host = ?2 AND used_at > ?3 AND is_closing = 0",
                params![id, host, due],
                |row| row.get::<_, usize>(0),
            )
        };
        if is_noted(&*self.lock()?)? > 0 {
            return Ok(());
        }
        self.change(|transaction| {
            let changed = transaction.execute(
                "UPDATE session SET used_at = ?2 WHERE id = ?1 AND is_closing = 0",
                params![id, now],
            )?;
            if changed == 0 {
                return Err(SessionError::Unknown);
            }
            transaction.execute(
                "INSERT OR IGNORE INTO session_host (session, host) VALUES (?1, ?2)",
                params![id, host],
            )?;
            Ok(())
        })
    }

    pub(super) fn list(&self, caller: &Caller, now: u64) -> Result<Vec<Session>, SessionError> {
        let connection = self.lock()?;
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM session WHERE tenant = ?1 AND user = ?2 AND used_at > ?3
             ORDER BY created_at, id"
        ))?;
        let values = params![caller.tenant, caller.user, self.oldest(now)];
        let rows = statement.query_map(values, raw)?;
        rows.map(|row| with_hosts(&connection, session(row?)?)).collect()
    }

    pub(super) fn closing(
        &self,
        caller: &Caller,
        named: &str,
        now: u64,
    ) -> Result<Session, SessionError> {
        let hash = sha256(named.as_bytes());
        self.change(|transaction| {
            let row = transaction.query_row(
                &format!(
                    "UPDATE session SET is_closing = 1
                     WHERE (hash = ?1 OR id = ?2) AND tenant = ?3 AND user = ?4 AND used_at > ?5
                     RETURNING {COLUMNS}"
                ),
                params![hash, named, caller.tenant, caller.user, self.oldest(now)],
                raw,
            );
            let session = session(row.optional()?.ok_or(SessionError::Unknown)?)?;
            let session = with_hosts(transaction, session)?;
            if session.hosts.is_empty() {
                transaction.execute("DELETE FROM session WHERE id = ?1", [&session.id])?;
            }
            Ok(session)
        })
    }

    pub(super) fn closed(&self, id: &str, host: &str) -> Result<(), SessionError> {
        self.change(|transaction| {
            transaction.execute(
                "DELETE FROM session_host WHERE session = ?1 AND host = ?2",
                params![id, host],
            )?;
            transaction.execute(
                "DELETE FROM session WHERE id = ?1 AND is_closing = 1
                 AND NOT EXISTS (SELECT 1 FROM session_host WHERE session = ?1)",
                [id],
            )?;
            Ok(())
        })
    }

    fn forget_old(&self, transaction: &Transaction<'_>, now: u64) -> rusqlite::Result<()> {
        let oldest = self.oldest(now);
        transaction.execute("DELETE FROM session WHERE used_at <= ?1", [oldest]).map(drop)
    }

    /// Whatever was used at this time or before is over.
    fn oldest(&self, now: u64) -> u64 {
        now.saturating_sub(self.idle)
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        let mut connection = self.lock()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = change(&transaction)?;
        transaction.commit()?;
        Ok(changed)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>, SessionError> {
        self.connection.lock().map_err(|_| SessionError::Poisoned)
    }
}

/// With the environment as it is kept.
fn raw(row: &Row<'_>) -> rusqlite::Result<(Session, String)> {
    let session = Session {
        id: row.get(0)?,
        project: row.get(1)?,
        host: row.get(2)?,
        profile: row.get(3)?,
        working_directory: row.get(4)?,
        environment: std::collections::BTreeMap::new(),
        created_at: row.get(6)?,
        used_at: row.get(7)?,
        hosts: Vec::new(),
        is_closing: row.get(8)?,
    };
    Ok((session, row.get(5)?))
}

fn session((session, environment): (Session, String)) -> Result<Session, SessionError> {
    Ok(Session { environment: serde_json::from_str(&environment)?, ..session })
}

fn with_hosts(connection: &Connection, session: Session) -> Result<Session, SessionError> {
    let mut statement = connection
        .prepare_cached("SELECT host FROM session_host WHERE session = ?1 ORDER BY host")?;
    let rows = statement.query_map([&session.id], |row| row.get(0))?;
    let hosts = rows.collect::<Result<_, _>>()?;
    Ok(Session { hosts, ..session })
}
