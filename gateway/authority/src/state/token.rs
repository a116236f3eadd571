//! The rows of join tokens: digests, and the keys that showed them first.

use rusqlite::{Connection, OptionalExtension, params};

use super::{StateError, digest};

/// How a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenState {
    /// Nobody showed it yet.
    Open,
    /// It belongs to the keys that showed it.
    Used,
    /// Another one was made in its place, or its host was removed.
    Withdrawn,
    /// Two showed it.
    Alarmed,
}

/// One token.
#[derive(Debug, Clone)]
pub(crate) struct TokenRow {
    /// SHA-256 of its secret.
    pub(crate) digest: [u8; 32],
    pub(crate) host: String,
    pub(crate) expires_at: u64,
    pub(crate) state: TokenState,
    /// Digest of the pair of keys that showed it first.
    pub(crate) keys: Option<[u8; 32]>,
}

impl TokenRow {
    /// The token with this digest.
    pub(crate) fn find(
        connection: &Connection,
        token: &[u8; 32],
    ) -> Result<Option<Self>, StateError> {
        let mut statement = connection
            .prepare_cached("SELECT host, expires_at, state, keys FROM token WHERE digest = ?1")?;
        let found = statement.query_row([token], |row| {
            let state: String = row.get(2)?;
            let keys: Option<Vec<u8>> = row.get(3)?;
            Ok((row.get(0)?, row.get(1)?, state, keys))
        });
        let Some((host, expires_at, state, keys)) = found.optional()? else { return Ok(None) };
        let state = TokenState::from_name(&state)
            .ok_or_else(|| StateError::Damaged("a token's state is none".to_owned()))?;
        let keys = keys.as_deref().map(digest).transpose()?;
        Ok(Some(Self { digest: *token, host, expires_at, state, keys }))
    }

    /// Writes it, in the place of what was there.
    pub(crate) fn save(&self, connection: &Connection) -> Result<(), StateError> {
        let Self { digest, host, expires_at, state, keys } = self;
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO token (digest, host, expires_at, state, keys) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![digest, host, expires_at, state.name(), keys])?;
        Ok(())
    }

    /// Those of a host that nobody showed count no more.
    pub(crate) fn withdraw(connection: &Connection, host: &str) -> Result<(), StateError> {
        connection.execute(
            "UPDATE token SET state = 'withdrawn' WHERE host = ?1 AND state IN ('open', 'used')",
            [host],
        )?;
        Ok(())
    }

    /// Those of a host that is forgotten are nobody's: whoever has the name next is
    /// another host, which they neither let in nor alarm about.
    pub(crate) fn disown(connection: &Connection, host: &str) -> Result<(), StateError> {
        connection
            .execute("UPDATE token SET state = 'withdrawn', keys = NULL WHERE host = ?1", [host])?;
        Ok(())
    }

    /// Forgets tokens that ended before this moment and that no host uses any more.
    pub(crate) fn prune(connection: &Connection, before: u64) -> Result<(), StateError> {
        connection.execute(
            "DELETE FROM token WHERE expires_at < ?1 \
             AND (state = 'withdrawn' OR host NOT IN (SELECT name FROM host))",
            [before],
        )?;
        Ok(())
    }
}

impl TokenState {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Withdrawn => "withdrawn",
            Self::Alarmed => "alarmed",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Used, Self::Withdrawn, Self::Alarmed]
            .into_iter()
            .find(|state| state.name() == name)
    }
}
