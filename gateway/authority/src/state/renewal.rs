//! The renewals of the last minutes, by digest: what comes a second time is told from
//! what two hosts with one key say.

use rusqlite::{Connection, OptionalExtension};

use super::StateError;

/// The table of renewals.
#[derive(Debug)]
pub(crate) struct Renewals<'c>(pub(crate) &'c Connection);

impl Renewals<'_> {
    /// Whether it was seen.
    pub(crate) fn has(&self, digest: &[u8; 32]) -> Result<bool, StateError> {
        let mut statement = self.0.prepare_cached("SELECT 1 FROM renewal WHERE digest = ?1")?;
        Ok(statement.query_row([digest], |_| Ok(())).optional()?.is_some())
    }

    /// Remembers it.
    pub(crate) fn add(&self, digest: &[u8; 32], host: &str, at: u64) -> Result<(), StateError> {
        self.0
            .prepare_cached("INSERT INTO renewal (digest, host, at) VALUES (?1, ?2, ?3)")?
            .execute((digest, host, at))?;
        Ok(())
    }

    /// How many a host made since, until now: what a clock that was ahead noted counts
    /// for nothing once it was set right.
    pub(crate) fn since(&self, host: &str, at: u64, now: u64) -> Result<u64, StateError> {
        let mut statement = self.0.prepare_cached(
            "SELECT count(*) FROM renewal WHERE host = ?1 AND at > ?2 AND at <= ?3",
        )?;
        Ok(statement.query_row((host, at, now), |row| row.get(0))?)
    }

    /// Forgets those from before this moment.
    pub(crate) fn prune(&self, before: u64) -> Result<(), StateError> {
        self.0.execute("DELETE FROM renewal WHERE at < ?1", [before])?;
        Ok(())
    }
}
