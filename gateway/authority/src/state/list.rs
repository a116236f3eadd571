//! The newest trust list, as it was signed, so that versions go on after a restart.

use cofferdam_proto::join::v1::SignedTrustList;
use rusqlite::{Connection, OptionalExtension};

use super::{StateError, digest};

/// The list that is kept.
#[derive(Debug, Clone)]
pub(crate) struct KeptList {
    pub(crate) version: u64,
    /// Digest of what it says, without version and times.
    pub(crate) content: [u8; 32],
    pub(crate) issued_at: u64,
    pub(crate) signed: SignedTrustList,
}

impl KeptList {
    /// The one that is there.
    pub(crate) fn load(connection: &Connection) -> Result<Option<Self>, StateError> {
        let found = connection
            .prepare_cached("SELECT version, content, issued_at, signed FROM list")?
            .query_row([], |row| {
                Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?))
            })
            .optional()?;
        let Some((version, content, issued_at, signed)) = found else { return Ok(None) };
        let signed = prost::Message::decode(signed.as_slice())
            .map_err(|_| StateError::Damaged("the trust list is none".to_owned()))?;
        Ok(Some(Self { version, content: digest(&content)?, issued_at, signed }))
    }

    /// Keeps it.
    pub(crate) fn save(&self, connection: &Connection) -> Result<(), StateError> {
        let Self { version, content, issued_at, signed } = self;
        let signed = prost::Message::encode_to_vec(signed);
        connection.execute(
            "INSERT OR REPLACE INTO list (one, version, content, issued_at, signed) \
             VALUES (1, ?1, ?2, ?3, ?4)",
            (version, content, issued_at, signed),
        )?;
        Ok(())
    }
}
