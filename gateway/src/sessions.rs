//! The sessions that callers open: their working contexts, carried from call to call.
//!
//! Words:
//! - A **session** here is a caller's: project, host, a wish for a profile, working
//!   directory and environment. It grants nothing: what it carries is set into the
//!   arguments of each call before anything is decided, as if the caller had sent it.
//! - Its **handle** is a secret that the caller names it by: 192 random bits, of which
//!   only the SHA-256 is kept. It works for the same user, tenant and project only;
//!   to everybody else there is no such session, in the same words.
//! - Its **id** is no secret: it names the session in lists, in both journals, and to
//!   hosts, which keep its cells and runs apart by it.
//!
//! A session of MCP's transport (`MCP-Session-Id`) is another thing: it belongs to one
//! connection's protocol, and [`crate::http`] keeps it.
//!
//! They live in SQLite, so that they survive a restart, and any gateway that shares the
//! file finds them.

mod carry;
mod store;

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::caller::Caller;
use crate::config::SessionsConfig;
use crate::database::DatabaseError;
use crate::fault::Fault;
use crate::input::BadInput;
pub(crate) use carry::carry;
use store::Store;

/// What handles begin with.
const PREFIX: &str = "cfs_";
/// Random bytes of a handle.
const SECRET_BYTES: usize = 24;

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    store: Store,
}

/// What a caller's calls carry along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// Names it where its handle must not stand.
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) host: String,
    /// A profile that may narrow what the rules give.
    pub(crate) profile: Option<String>,
    /// Absolute or relative to the workspace; empty: the workspace.
    pub(crate) working_directory: String,
    pub(crate) environment: BTreeMap<String, String>,
    /// Seconds since 1970.
    pub(crate) created_at: u64,
    /// Seconds since 1970.
    pub(crate) used_at: u64,
    /// Hosts that may have cells or runs of it.
    pub(crate) hosts: Vec<String>,
    /// It was closed, and some of its hosts have not answered yet.
    pub(crate) is_closing: bool,
}

/// What a session is opened with.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewSession {
    pub(crate) project: String,
    pub(crate) host: String,
    pub(crate) profile: Option<String>,
    pub(crate) working_directory: String,
    pub(crate) environment: BTreeMap<String, String>,
}

/// Why there is no such session, or no new one.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// None of the caller's.
    #[error(
        "you have no such session: it was closed, was unused for too long, or there never was one; \
         open_session opens another, list_sessions shows those that you have"
    )]
    Unknown,
    /// As many as one user may have.
    #[error("you have {0} sessions, as many as one user may have; close_session one first")]
    TooMany(usize),
    /// The system has no randomness to give.
    #[error("the system gives no random bytes")]
    Random,
    /// The file cannot be used.
    #[error(transparent)]
    Open(#[from] DatabaseError),
    /// SQLite failed.
    #[error("the sessions cannot be read or kept: {0}")]
    Database(#[from] rusqlite::Error),
    /// What is kept there is no session.
    #[error("a session is kept in a form that this program does not know: {0}")]
    Form(#[from] serde_json::Error),
    /// An earlier operation ended in the middle; the process must start anew.
    #[error("the sessions are unusable after an earlier failure; restart the gateway")]
    Poisoned,
}

impl Sessions {
    /// Opens the file, and makes it where there is none.
    pub(crate) fn open(config: &SessionsConfig) -> Result<Self, SessionError> {
        Ok(Self { store: Store::open(config)? })
    }

    /// Makes one of `caller`; gives its handle, which is kept nowhere.
    pub(crate) fn make(
        &self,
        caller: &Caller,
        new: NewSession,
    ) -> Result<(String, Session), SessionError> {
        let handle = generate()?;
        let session = self.store.make(caller, &handle, new, now())?;
        Ok((handle, session))
    }

    /// The caller's own, by its handle, for a call: one that was not closed.
    pub(crate) fn find(&self, caller: &Caller, handle: &str) -> Result<Session, SessionError> {
        let session = self.store.find(caller, handle, now())?;
        if session.is_closing { Err(SessionError::Unknown) } else { Ok(session) }
    }

    /// Notes that a call of it goes to `host`, before the host hears of it.
    pub(crate) fn used(&self, session: &str, host: &str) -> Result<(), SessionError> {
        self.store.used(session, host, now())
    }

    /// All of the caller's, oldest first.
    pub(crate) fn list(&self, caller: &Caller) -> Result<Vec<Session>, SessionError> {
        self.store.list(caller, now())
    }

    /// Lets no call into it any more, by its handle or its id.
    pub(crate) fn closing(&self, caller: &Caller, named: &str) -> Result<Session, SessionError> {
        self.store.closing(caller, named, now())
    }

    /// Forgets that `host` may have something of it; the whole session, once none may.
    pub(crate) fn closed(&self, session: &str, host: &str) -> Result<(), SessionError> {
        self.store.closed(session, host)
    }
}

impl Session {
    /// Its name in records and to hosts.
    pub(crate) fn name(&self) -> String {
        name(&self.id)
    }
}

/// The name of a session in records and to hosts. No token's and no transport's session
/// is named so.
pub(crate) fn name(id: &str) -> String {
    format!("session/{id}")
}

/// The id of the session that records name so; none: it is a token's or a transport's.
pub(crate) fn id_of(name: &str) -> Option<&str> {
    name.strip_prefix("session/")
}

fn generate() -> Result<String, SessionError> {
    let mut secret = [0_u8; SECRET_BYTES];
    SystemRandom::new().fill(&mut secret).map_err(|_| SessionError::Random)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret)))
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

impl From<SessionError> for Fault {
    fn from(error: SessionError) -> Self {
        let bad = |reason| BadInput { reason, field: "session".into(), message: error.to_string() };
        match error {
            SessionError::Unknown => bad("UNKNOWN_SESSION").into(),
            SessionError::TooMany(_) => bad("TOO_MANY_SESSIONS").into(),
            other => Self::Internal(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
