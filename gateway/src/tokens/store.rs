//! The SQLite file that tokens are kept in, mode 0600.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use cofferdam_policy::Claims;
use cofferdam_trust::sha256;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

use super::{NewToken, Purpose, Token, TokenError, TokenRecord, Unauthenticated};
use crate::database;

/// What leads from each schema to the next; the first makes a new file. A step
/// that was released is never changed.
const STEPS: [&str; 3] = [CREATE, ADD_CLAIMS, ADD_PURPOSE];

const CREATE: &str = "
    CREATE TABLE token (
        hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        user TEXT NOT NULL,
        groups TEXT NOT NULL,
        tenant TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX token_name ON token (name) WHERE revoked_at IS NULL;
";

/// Claims as JSON: an object of lists of texts.
const ADD_CLAIMS: &str = "ALTER TABLE token ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';";

/// See [`Purpose`]; every token from before is a client's.
const ADD_PURPOSE: &str = "ALTER TABLE token ADD COLUMN purpose TEXT NOT NULL DEFAULT 'client';";

const COLUMNS: &str =
    "id, name, user, groups, tenant, claims, created_at, expires_at, revoked_at, purpose";

/// The store. Cheap to ask: one indexed look-up under a lock.
#[derive(Debug)]
pub struct TokenStore {
    connection: Mutex<Connection>,
}

impl TokenStore {
    /// Opens the store at `path`, and makes it, mode 0600, where there is none.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let connection = database::open("token store", path, &STEPS)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Opens the store at `path` for reading alone: it is neither made nor changed.
    ///
    /// # Errors
    /// [`DatabaseError::Earlier`](database::DatabaseError::Earlier) where the next start of
    /// the gateway changes the file's schema; or where it cannot be read.
    pub fn look(path: &Path) -> Result<Self, TokenError> {
        let connection = database::look("token store", path, &STEPS)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Makes a token and keeps its hash. The returned text is not kept anywhere.
    pub fn create(&self, new: &NewToken) -> Result<(Token, TokenRecord), TokenError> {
        check(new)?;
        let token = Token::generate(new.purpose)?;
        let hash = sha256(token.reveal().as_bytes());
        let record = TokenRecord {
            id: uuid::Uuid::new_v4().to_string(),
            name: new.name.clone(),
            purpose: new.purpose,
            user: new.user.clone(),
            groups: new.groups.clone(),
            tenant: new.tenant.clone(),
            claims: new.claims.clone(),
            created_at: now(),
            expires_at: new.expires_at,
            revoked_at: None,
        };
        let inserted = self.lock()?.execute(
            "INSERT INTO token
             (hash, id, name, user, groups, tenant, claims, created_at, expires_at, purpose)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                hash,
                record.id,
                record.name,
                record.user,
                record.groups.join("\n"),
                record.tenant,
                claims_as_text(&record.claims)?,
                record.created_at,
                record.expires_at,
                record.purpose.name(),
            ],
        );
        match inserted {
            Ok(_) => Ok((token, record)),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Err(TokenError::NameTaken(record.name))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Every token, revoked ones too, oldest first.
    pub fn list(&self) -> Result<Vec<TokenRecord>, TokenError> {
        let connection = self.lock()?;
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM token ORDER BY created_at, name"))?;
        let rows = statement.query_map([], record_from)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Revokes the token with this name or id; false where no valid one is.
    pub fn revoke(&self, name_or_id: &str) -> Result<bool, TokenError> {
        let changed = self.lock()?.execute(
            "UPDATE token SET revoked_at = ?2 WHERE revoked_at IS NULL AND (name = ?1 OR id = ?1)",
            params![name_or_id, now()],
        )?;
        Ok(changed > 0)
    }

    /// Whose token this is, of an MCP client.
    pub fn authenticate(&self, token: &str) -> Result<TokenRecord, Unauthenticated> {
        self.authenticate_for(token, Purpose::Client)
    }

    /// Whose token this is, for this purpose. One for another purpose is unknown.
    pub fn authenticate_for(
        &self,
        token: &str,
        purpose: Purpose,
    ) -> Result<TokenRecord, Unauthenticated> {
        if !token.starts_with(purpose.prefix()) {
            return Err(Unauthenticated::Unknown);
        }
        let found = self.find(&sha256(token.as_bytes()))?.ok_or(Unauthenticated::Unknown)?;
        if found.purpose != purpose {
            return Err(Unauthenticated::Unknown);
        }
        still_valid(found)
    }

    /// The token with this id, where it still counts: for what was begun with it
    /// a while ago.
    pub fn still(&self, id: &str) -> Result<TokenRecord, Unauthenticated> {
        still_valid(self.by_id(id)?.ok_or(Unauthenticated::Unknown)?)
    }

    /// Whether the token with this id was revoked, or never was.
    pub fn is_revoked(&self, id: &str) -> Result<bool, TokenError> {
        Ok(self.by_id(id)?.is_none_or(|token| token.revoked_at.is_some()))
    }

    fn by_id(&self, id: &str) -> Result<Option<TokenRecord>, TokenError> {
        let connection = self.lock()?;
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM token WHERE id = ?1"))?;
        Ok(statement.query_row(params![id], record_from).optional()?)
    }

    fn find(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>, TokenError> {
        let connection = self.lock()?;
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM token WHERE hash = ?1"))?;
        Ok(statement.query_row(params![hash], record_from).optional()?)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>, TokenError> {
        self.connection.lock().map_err(|_| TokenError::Poisoned)
    }
}

fn still_valid(token: TokenRecord) -> Result<TokenRecord, Unauthenticated> {
    if token.revoked_at.is_some() {
        return Err(Unauthenticated::Revoked(token.name));
    }
    if token.expires_at.is_some_and(|end| end <= now()) {
        return Err(Unauthenticated::Expired(token.name));
    }
    Ok(token)
}

fn record_from(row: &Row<'_>) -> rusqlite::Result<TokenRecord> {
    let groups: String = row.get(3)?;
    Ok(TokenRecord {
        id: row.get(0)?,
        name: row.get(1)?,
        user: row.get(2)?,
        groups: groups.split('\n').filter(|group| !group.is_empty()).map(str::to_owned).collect(),
        tenant: row.get(4)?,
        claims: claims_from_text(&row.get::<_, String>(5)?)?,
        created_at: row.get(6)?,
        expires_at: row.get(7)?,
        revoked_at: row.get(8)?,
        purpose: purpose_from_text(&row.get::<_, String>(9)?)?,
    })
}

/// A purpose that this program does not know is good for nothing.
fn purpose_from_text(text: &str) -> rusqlite::Result<Purpose> {
    match text {
        "client" => Ok(Purpose::Client),
        "approver" => Ok(Purpose::Approver),
        other => {
            let error = format!("the purpose `{other}` is unknown").into();
            let kind = rusqlite::types::Type::Text;
            Err(rusqlite::Error::FromSqlConversionFailure(9, kind, error))
        }
    }
}

fn claims_as_text(claims: &Claims) -> rusqlite::Result<String> {
    serde_json::to_string(claims)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// A token whose claims cannot be read authenticates nobody: without them a rule
/// that refuses by a claim would not fire.
fn claims_from_text(text: &str) -> rusqlite::Result<Claims> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn check(new: &NewToken) -> Result<(), TokenError> {
    // Claims are bounded by their type.
    let NewToken { name, purpose: _, user, groups, tenant, claims: _, expires_at } = new;
    let refuse = |field, problem: &str| Err(TokenError::Field { field, problem: problem.into() });
    let plain = |text: &str| text.len() <= 255 && !text.contains(char::is_control);
    if name.is_empty() || !plain(name) {
        return refuse("name", "must have 1 to 255 bytes and no control characters");
    }
    if user.is_empty() || !plain(user) {
        return refuse("user", "must have 1 to 255 bytes and no control characters");
    }
    if groups.iter().any(|group| group.is_empty() || !plain(group)) {
        return refuse("groups", "must each have 1 to 255 bytes and no control characters");
    }
    if !plain(tenant) {
        return refuse("tenant", "must have at most 255 bytes and no control characters");
    }
    if expires_at.is_some_and(|end| end <= now()) {
        return refuse("expiry", "lies in the past; give a time to come, or none");
    }
    Ok(())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}
