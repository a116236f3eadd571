//! The gateways that trust lists name, with the keys that sign their intents.

use cofferdam_trust::VerifyingKey;
use rusqlite::{Connection, OptionalExtension};

use super::StateError;

/// The table of gateways.
#[derive(Debug)]
pub(crate) struct Gateways<'c>(pub(crate) &'c Connection);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatewayRow {
    pub(crate) name: String,
    pub(crate) keys: Vec<VerifyingKey>,
    pub(crate) revoked_at: Option<u64>,
}

impl Gateways<'_> {
    /// All, by name.
    pub(crate) fn all(&self) -> Result<Vec<GatewayRow>, StateError> {
        let mut statement =
            self.0.prepare_cached("SELECT name, keys, revoked_at FROM gateway ORDER BY name")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?))
        })?;
        let read = |row: rusqlite::Result<(String, String, Option<u64>)>| {
            let (name, keys, revoked_at) = row?;
            Ok(GatewayRow { name, keys: serde_json::from_str(&keys)?, revoked_at })
        };
        rows.map(read).collect()
    }

    /// Names one with its keys; a revoked one stays so. True where that is news.
    pub(crate) fn put(&self, name: &str, keys: &[VerifyingKey]) -> Result<bool, StateError> {
        let changed = self.0.execute(
            "INSERT INTO gateway (name, keys) VALUES (?1, ?2) \
             ON CONFLICT (name) DO UPDATE SET keys = excluded.keys WHERE keys <> excluded.keys",
            (name, serde_json::to_string(keys)?),
        )?;
        Ok(changed > 0)
    }

    /// Revokes one, also one that was not known. False where it was revoked before.
    pub(crate) fn revoke(&self, name: &str, at: u64) -> Result<bool, StateError> {
        let changed = self.0.execute(
            "INSERT INTO gateway (name, keys, revoked_at) VALUES (?1, '[]', ?2) \
             ON CONFLICT (name) DO UPDATE SET revoked_at = ?2 WHERE revoked_at IS NULL",
            (name, at),
        )?;
        Ok(changed > 0)
    }

    /// Takes a revocation back. False where there was none.
    pub(crate) fn trust(&self, name: &str) -> Result<bool, StateError> {
        let revoked = self
            .0
            .query_row("SELECT 1 FROM gateway WHERE name = ?1 AND revoked_at > 0", [name], |_| {
                Ok(())
            })
            .optional()?;
        self.0.execute("UPDATE gateway SET revoked_at = NULL WHERE name = ?1", [name])?;
        Ok(revoked.is_some())
    }
}
