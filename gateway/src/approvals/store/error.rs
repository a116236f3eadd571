//! Every way in which a request for approval cannot be kept, found or changed.

use cofferdam_policy::Uncounted;

use crate::database::DatabaseError;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// The file cannot be used.
    #[error(transparent)]
    Open(#[from] DatabaseError),
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
