//! Rows of the table, and requests out of them. What stands there and is none is
//! an error, never a guess.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::super::request::{Request, Scope, State};
use super::error::ApprovalError;

pub(super) const COLUMNS: &str = "id, state, scope, created_at, expires_at, question, votes";

pub(super) fn find(
    transaction: &Transaction<'_>,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Result<Option<Request>, ApprovalError> {
    let mut statement = transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM request WHERE {condition} LIMIT 1"))?;
    statement.query_row(parameters, raw).optional()?.map(request).transpose()
}

pub(super) fn get(transaction: &Transaction<'_>, id: &str) -> Result<Request, ApprovalError> {
    let found = find(transaction, "id = ?1", [id])?;
    found.ok_or_else(|| ApprovalError::Unknown(id.to_owned()))
}

pub(super) fn own(
    transaction: &Transaction<'_>,
    id: &str,
    token_id: &str,
) -> Result<Request, ApprovalError> {
    let found = find(transaction, "id = ?1 AND token_id = ?2", [id, token_id])?;
    found.ok_or_else(|| ApprovalError::Unknown(id.to_owned()))
}

pub(super) fn set_state(
    transaction: &Transaction<'_>,
    id: &str,
    state: State,
) -> rusqlite::Result<()> {
    transaction
        .execute("UPDATE request SET state = ?2 WHERE id = ?1", params![id, state.name()])
        .map(drop)
}

/// A row, not yet taken apart.
pub(super) struct Raw {
    id: String,
    state: String,
    scope: Option<String>,
    created_at: u64,
    expires_at: u64,
    question: String,
    votes: String,
}

pub(super) fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        state: row.get(1)?,
        scope: row.get(2)?,
        created_at: row.get(3)?,
        expires_at: row.get(4)?,
        question: row.get(5)?,
        votes: row.get(6)?,
    })
}

pub(super) fn request(raw: Raw) -> Result<Request, ApprovalError> {
    let Raw { id, state, scope, created_at, expires_at, question, votes } = raw;
    let broken = |what: &str| ApprovalError::Broken(format!("the request `{id}` has {what}"));
    let state = State::parse(&state).ok_or_else(|| broken("an unknown state"))?;
    let scope = match scope.as_deref().map(Scope::parse) {
        None => None,
        Some(Some(scope)) => Some(scope),
        Some(None) => return Err(broken("an unknown scope")),
    };
    let question = serde_json::from_str(&question).map_err(|_| broken("a broken question"))?;
    let votes = serde_json::from_str(&votes).map_err(|_| broken("broken votes"))?;
    Ok(Request { id, state, scope, created_at, expires_at, votes, question })
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, ApprovalError> {
    serde_json::to_string(value).map_err(|error| ApprovalError::Broken(error.to_string()))
}

/// Short enough to be typed; which it is says nothing about what it is for.
pub(super) fn new_id() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("ap-{}", &id[..12])
}
