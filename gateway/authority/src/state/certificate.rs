//! The certificates that were issued and count still, and those of them that were
//! revoked. A certificate that ended needs no memory, but this machine's clock alone says
//! that it did: one that was ahead for a moment must not forget what was revoked.

use cofferdam_trust::CLOCK_SKEW;
use rusqlite::Connection;

use super::{Moment, StateError, digest};

/// The table of certificates.
#[derive(Debug)]
pub(crate) struct Certificates<'c>(pub(crate) &'c Connection);

impl Certificates<'_> {
    /// Remembers one.
    pub(crate) fn issued(
        &self,
        peer: &str,
        fingerprint: [u8; 32],
        ends_at: u64,
    ) -> Result<(), StateError> {
        self.0
            .prepare_cached(
                "INSERT OR REPLACE INTO certificate (fingerprint, peer, ends_at) VALUES (?1, ?2, ?3)",
            )?
            .execute((fingerprint, peer, ends_at))?;
        Ok(())
    }

    /// None of a peer's counts any more.
    pub(crate) fn revoke(&self, peer: &str) -> Result<(), StateError> {
        self.0.execute("UPDATE certificate SET revoked = 1 WHERE peer = ?1", [peer])?;
        Ok(())
    }

    /// Those that were revoked and have not ended by anybody's clock, in order: one that
    /// is late believes a certificate for longer.
    pub(crate) fn revoked(&self, now: Moment) -> Result<Vec<[u8; 32]>, StateError> {
        let late = now.seconds().saturating_sub(CLOCK_SKEW.as_secs());
        let mut statement = self.0.prepare_cached(
            "SELECT fingerprint FROM certificate WHERE revoked = 1 AND ends_at > ?1 \
             ORDER BY fingerprint",
        )?;
        let rows = statement.query_map([late], |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|row| digest(&row?)).collect()
    }

    /// Forgets those that ended before the moment `ended`, and of those that were revoked
    /// the ones that ended before the earlier moment `long_ago`.
    pub(crate) fn prune(&self, ended: u64, long_ago: u64) -> Result<(), StateError> {
        self.0.execute(
            "DELETE FROM certificate WHERE ends_at < ?1 AND (revoked = 0 OR ends_at < ?2)",
            [ended, long_ago],
        )?;
        Ok(())
    }
}
