//! The SQLite file: what the authority knows of hosts, tokens, certificates,
//! generations, gateways and trust lists.
//!
//! The running authority and the owner's commands have it open side by side. Every
//! change is one transaction that holds the write lock from its beginning, so that
//! what is judged does not change before it is written.

mod certificate;
mod gateway;
mod generation;
mod host;
mod list;
mod renewal;
mod schema;
mod token;

use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_database::{DatabaseError, look, open};
use rusqlite::{Connection, TransactionBehavior};

pub(crate) use certificate::Certificates;
pub(crate) use gateway::{GatewayRow, Gateways};
pub(crate) use generation::Generation;
pub(crate) use host::HostRow;
pub(crate) use list::KeptList;
pub(crate) use renewal::Renewals;
pub(crate) use token::{TokenRow, TokenState};

/// The open file.
#[derive(Debug)]
pub struct State {
    connection: Mutex<Connection>,
}

/// A moment, as the state counts: whole seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// Why the state could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be used.
    #[error(transparent)]
    Open(#[from] DatabaseError),
    /// SQLite failed: the disk is full, the file was damaged.
    #[error("the authority's state failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// What a row holds is none of ours.
    #[error("the authority's state is damaged: {0}")]
    Damaged(String),
    /// An earlier operation ended in the middle; the process must start anew.
    #[error("the authority's state is unusable after an earlier failure; restart the gateway")]
    Poisoned,
}

impl From<serde_json::Error> for StateError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl State {
    /// Opens the state at `path`, and makes it, mode 0600, where there is none.
    ///
    /// # Errors
    /// Where it cannot be opened or has another schema.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let connection = open("authority's state", path, &schema::STEPS)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Opens the state at `path` for reading alone: it is neither made nor changed.
    ///
    /// # Errors
    /// [`DatabaseError::Earlier`] where the next start of the gateway changes the file's
    /// schema; or where it cannot be read.
    pub fn look(path: &Path) -> Result<Self, StateError> {
        let connection = look("authority's state", path, &schema::STEPS)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Reads, without changing anything.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        read(&*self.lock()?)
    }

    /// Judges and writes in one transaction; nothing of it counts where that fails.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let mut connection = self.lock()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = change(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// A number that is another one when another process changed the file
    /// (`PRAGMA data_version`).
    pub(crate) fn changed_by_others(&self) -> Result<i64, StateError> {
        Ok(self.lock()?.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>, StateError> {
        self.connection.lock().map_err(|_| StateError::Poisoned)
    }
}

impl Moment {
    pub(crate) fn of(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    pub(crate) fn now() -> Self {
        Self::of(SystemTime::now())
    }

    pub(crate) fn seconds(self) -> u64 {
        self.0
    }

    #[cfg(test)]
    pub(crate) fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Later by so much, at least a second.
    pub(crate) fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs().max(1)))
    }

    pub(crate) fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0)
    }
}

/// A digest as a column holds it.
pub(crate) fn digest(bytes: &[u8]) -> Result<[u8; 32], StateError> {
    bytes.try_into().map_err(|_| StateError::Damaged("a digest is none".to_owned()))
}
