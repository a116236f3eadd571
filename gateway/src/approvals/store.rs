//! Requests for approval in SQLite, so that they survive a restart.
//!
//! Each change is one transaction that holds the write lock from its first
//! look: two people who answer at once, or two calls that want to use the same
//! approval, are told one after the other how it stands.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use cofferdam_policy::Uncounted;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::request::{Question, Request, Scope, State, Verdict, Vote};

/// The schema that this program reads and writes.
const SCHEMA: i64 = 1;

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
    PRAGMA user_version = 1;
";

const COLUMNS: &str = "id, state, scope, created_at, expires_at, question, votes";

/// How long a writer waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// How long what is over is kept, results with it.
const KEPT: u64 = 30 * 24 * 60 * 60;

/// The longest that people can agree to the same call of a session.
const SESSION_SECONDS: u64 = 12 * 60 * 60;

/// The store.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Mutex<Connection>,
}

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// The file cannot be opened or made.
    #[error("cannot open the approvals `{path}`: {reason}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file was made by another version.
    #[error("the approvals `{path}` have schema {found}; this program knows {known}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// What the file says.
        found: i64,
        /// What this program reads and writes.
        known: i64,
    },
    /// No such request.
    #[error("no request for approval has the id `{0}`; `cofferdam approve` lists those there are")]
    Unknown(String),
    /// It is over.
    #[error("the request `{id}` is {state} already; nothing was changed")]
    Over {
        /// Which.
        id: String,
        /// How it ended.
        state: &'static str,
    },
    /// Something else was agreed to than what is asked.
    #[error(
        "the request `{0}` is for another action than the one that was shown: look at it again"
    )]
    AnotherAction(String),
    /// This person's answer does not count.
    #[error("{0}")]
    Uncounted(#[from] Uncounted),
    /// They have answered.
    #[error("{user} has answered the request `{id}` already")]
    Twice {
        /// Which.
        id: String,
        /// Who.
        user: String,
    },
    /// Too many are open.
    #[error("{0}; wait until people have answered some of them")]
    TooMany(String),
    /// SQLite failed.
    #[error("the approvals cannot be read or written: {0}")]
    Store(#[from] rusqlite::Error),
    /// What stands in the store is not what this program writes.
    #[error("the approvals hold something that this program did not write: {0}")]
    Broken(String),
    /// Another thread failed while it held the store.
    #[error("the approvals are closed, because an earlier change failed half-way; restart")]
    Poisoned,
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
        let failed = |reason: String| ApprovalError::Open { path: path.to_owned(), reason };
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| failed(error.to_string()))?;
        let mut connection = Connection::open(path).map_err(|error| failed(error.to_string()))?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get(0))? {
            0 => transaction.execute_batch(CREATE)?,
            SCHEMA => {}
            found => {
                let path = path.to_owned();
                return Err(ApprovalError::Schema { path, found, known: SCHEMA });
            }
        }
        transaction.commit()?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// The open request for this question by this caller, or a new one.
    pub(crate) fn ask(
        &self,
        question: &Question,
        bounds: Bounds,
        now: u64,
    ) -> Result<Asked, ApprovalError> {
        let asker = &question.asker;
        self.change(|transaction| {
            let open = find(
                transaction,
                "binding = ?1 AND token_id = ?2 AND state = 'pending' AND expires_at > ?3",
                params![question.binding, asker.token_id, now],
            )?;
            if let Some(request) = open {
                return Ok(Asked { request, is_new: false });
            }
            check_bounds(transaction, &asker.user, bounds, now)?;
            let open_for = question.demands.iter().map(|demand| demand.open_seconds).min();
            let request = Request {
                id: new_id(),
                state: State::Pending,
                scope: None,
                created_at: now,
                expires_at: now.saturating_add(open_for.unwrap_or(0)),
                votes: Vec::new(),
                question: question.clone(),
            };
            transaction.execute(
                "INSERT INTO request (id, binding, token_id, session, user, state, created_at,
                     expires_at, question)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6, ?7, ?8)",
                params![
                    request.id,
                    question.binding,
                    asker.token_id,
                    asker.session,
                    asker.user,
                    request.created_at,
                    request.expires_at,
                    to_json(question)?,
                ],
            )?;
            Ok(Asked { request, is_new: true })
        })
    }

    /// Uses what people agreed to; none: they have not. Agreed to once, it is
    /// used up by this, whatever comes after.
    pub(crate) fn take(
        &self,
        binding: &str,
        token_id: &str,
        session: &str,
        now: u64,
    ) -> Result<Option<Request>, ApprovalError> {
        self.change(|transaction| {
            // What was agreed to once goes before what may be used again.
            let found = find(
                transaction,
                "binding = ?1 AND token_id = ?2 AND state = 'approved' AND expires_at > ?4
                 AND (scope = 'once' OR session = ?3) ORDER BY scope, created_at",
                params![binding, token_id, session, now],
            )?;
            if let Some(request) = &found
                && request.scope != Some(Scope::Session)
            {
                set_state(transaction, &request.id, State::Used)?;
            }
            Ok(found)
        })
    }

    /// Counts an answer to the request `id`, whose binding was shown to whoever
    /// answers, and tells how it stands then. Where `record` fails, nothing is
    /// counted.
    pub(crate) fn vote<E: From<ApprovalError>>(
        &self,
        id: &str,
        binding: &str,
        vote: Vote,
        record: impl FnOnce(&Request) -> Result<(), E>,
    ) -> Result<Request, E> {
        self.change(|transaction| {
            let mut request = get(transaction, id)?;
            check_vote(&request, binding, &vote)?;
            let (verdict, now) = (vote.verdict, vote.at);
            request.votes.push(vote);
            if verdict == Verdict::Refuse {
                request.state = State::Refused;
            } else if request.missing() == 0 {
                request.state = State::Approved;
                let scope = request.agreed_scope();
                request.scope = Some(scope);
                // From now on there is as much time to use it as there was to
                // answer.
                let open = request.question.demands.iter().map(|demand| demand.open_seconds).min();
                let seconds = match scope {
                    Scope::Once => open.unwrap_or(0),
                    Scope::Session => SESSION_SECONDS,
                };
                request.expires_at = now.saturating_add(seconds);
            }
            let failed = |error| E::from(ApprovalError::from(error));
            let votes = to_json(&request.votes)?;
            transaction
                .execute(
                    "UPDATE request SET state = ?2, scope = ?3, expires_at = ?4, votes = ?5
                 WHERE id = ?1",
                    params![
                        id,
                        request.state.name(),
                        request.scope.map(Scope::name),
                        request.expires_at,
                        votes,
                    ],
                )
                .map_err(failed)?;
            record(&request)?;
            Ok(request)
        })
    }

    /// Takes an open request back, as who asked; or gives up what was agreed to.
    pub(crate) fn withdraw(&self, id: &str, token_id: &str) -> Result<Request, ApprovalError> {
        self.change(|transaction| {
            let mut request = own(transaction, id, token_id)?;
            match request.state {
                State::Pending | State::Approved => {}
                state => {
                    return Err(ApprovalError::Over { id: id.to_owned(), state: state.name() });
                }
            }
            set_state(transaction, id, State::Withdrawn)?;
            request.state = State::Withdrawn;
            Ok(request)
        })
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

    /// Requests in this state, or all; newest first, at most `limit`.
    pub(crate) fn list(
        &self,
        state: Option<State>,
        limit: usize,
    ) -> Result<Vec<Request>, ApprovalError> {
        let connection = self.lock()?;
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM request WHERE ?1 IS NULL OR state = ?1
             ORDER BY created_at DESC, id LIMIT ?2"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![state.map(State::name), limit], raw)?;
        rows.map(|row| request(row?)).collect()
    }

    /// Keeps what the call that waited came to.
    pub(crate) fn keep_result(&self, id: &str, result: &str) -> Result<(), ApprovalError> {
        let connection = self.lock()?;
        connection.execute("UPDATE request SET result = ?2 WHERE id = ?1", params![id, result])?;
        Ok(())
    }

    /// Marks what ran out of time, forgets what is long over, and returns what
    /// expired just now.
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
            transaction.execute(
                "DELETE FROM request
                 WHERE state NOT IN ('pending', 'approved') AND expires_at < ?1",
                [now.saturating_sub(KEPT)],
            )?;
            Ok(expired)
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

fn check_bounds(
    transaction: &Transaction<'_>,
    user: &str,
    bounds: Bounds,
    now: u64,
) -> Result<(), ApprovalError> {
    let count = |of: Option<&str>| -> rusqlite::Result<usize> {
        transaction.query_row(
            "SELECT count(*) FROM request
             WHERE state = 'pending' AND expires_at > ?2 AND (?1 IS NULL OR user = ?1)",
            params![of, now],
            |row| row.get(0),
        )
    };
    if count(Some(user))? >= bounds.each {
        let message = format!("{user} has {} requests for approval open", bounds.each);
        return Err(ApprovalError::TooMany(message));
    }
    if count(None)? >= bounds.all {
        let message = format!("{} requests for approval are open", bounds.all);
        return Err(ApprovalError::TooMany(message));
    }
    Ok(())
}

fn check_vote(request: &Request, binding: &str, vote: &Vote) -> Result<(), ApprovalError> {
    let id = || request.id.clone();
    if request.state != State::Pending {
        return Err(ApprovalError::Over { id: id(), state: request.state.name() });
    }
    if request.expires_at <= vote.at {
        return Err(ApprovalError::Over { id: id(), state: State::Expired.name() });
    }
    if request.question.binding != binding {
        return Err(ApprovalError::AnotherAction(id()));
    }
    if request.votes.iter().any(|known| known.voter.user == vote.voter.user) {
        return Err(ApprovalError::Twice { id: id(), user: vote.voter.user.clone() });
    }
    // Who counts for no rule that asks has no say, not even to refuse.
    let asker = &request.question.asker.user;
    let mut why = None;
    for demand in &request.question.demands {
        match demand.counts(asker, &vote.voter) {
            Ok(()) => return Ok(()),
            Err(uncounted) => why = Some(uncounted),
        }
    }
    match why {
        Some(uncounted) => Err(uncounted.into()),
        None => Err(ApprovalError::Broken(format!("the request `{}` has no demand", request.id))),
    }
}

fn find(
    transaction: &Transaction<'_>,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Result<Option<Request>, ApprovalError> {
    let mut statement = transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM request WHERE {condition} LIMIT 1"))?;
    statement.query_row(parameters, raw).optional()?.map(request).transpose()
}

fn get(transaction: &Transaction<'_>, id: &str) -> Result<Request, ApprovalError> {
    let found = find(transaction, "id = ?1", [id])?;
    found.ok_or_else(|| ApprovalError::Unknown(id.to_owned()))
}

fn own(transaction: &Transaction<'_>, id: &str, token_id: &str) -> Result<Request, ApprovalError> {
    let found = find(transaction, "id = ?1 AND token_id = ?2", [id, token_id])?;
    found.ok_or_else(|| ApprovalError::Unknown(id.to_owned()))
}

fn set_state(transaction: &Transaction<'_>, id: &str, state: State) -> rusqlite::Result<()> {
    transaction
        .execute("UPDATE request SET state = ?2 WHERE id = ?1", params![id, state.name()])
        .map(drop)
}

/// A row, not yet taken apart.
struct Raw {
    id: String,
    state: String,
    scope: Option<String>,
    created_at: u64,
    expires_at: u64,
    question: String,
    votes: String,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
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

fn request(raw: Raw) -> Result<Request, ApprovalError> {
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

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, ApprovalError> {
    serde_json::to_string(value).map_err(|error| ApprovalError::Broken(error.to_string()))
}

/// Short enough to be typed; which it is says nothing about what it is for.
fn new_id() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("ap-{}", &id[..12])
}

#[cfg(test)]
mod tests;
