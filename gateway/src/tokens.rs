//! Bearer tokens of MCP callers.
//!
//! A token is shown once, when it is made; the store keeps only its SHA-256.
//! It carries 256 random bits, so that a fast hash is enough and the hash can be
//! the key that it is found by: how long a look-up takes tells nothing that
//! helps to guess a token.
//!
//! The service authenticates with it; the person's command creates, lists and
//! revokes. Both open the same SQLite file, and a revocation counts from the
//! next request on.

mod store;

use std::fmt;

use aws_lc_rs::rand::SecureRandom;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_policy::Claims;
use zeroize::Zeroizing;

pub use store::TokenStore;

use crate::database::DatabaseError;

/// What the token of an MCP client begins with, so that secret scanners can find
/// one that leaked.
pub const PREFIX: &str = "cfd_";

/// What an approver's token begins with.
pub const APPROVER_PREFIX: &str = "cfa_";

/// What a token is good for. One for the one is none for the other: who lets a
/// program call with their token does not let it agree in their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// MCP clients call with it.
    #[default]
    Client,
    /// A person answers requests for approval with it.
    Approver,
}

const SECRET_BYTES: usize = 32;

/// A token's text. It has no `Debug` that shows it and is wiped when dropped.
pub struct Token(Zeroizing<String>);

/// What a new token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// A name for people, unique among all tokens.
    pub name: String,
    /// What it is good for.
    pub purpose: Purpose,
    /// Who calls with it.
    pub user: String,
    /// The groups that the user is in.
    pub groups: Vec<String>,
    /// The tenant that the user belongs to; empty: none.
    pub tenant: String,
    /// What else rules may select the user by.
    pub claims: Claims,
    /// From when on it is refused, in seconds since 1970; none: never.
    pub expires_at: Option<u64>,
}

/// A token as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TokenRecord {
    /// Stands for the token in records; reveals nothing of it.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// What it is good for.
    pub purpose: Purpose,
    /// Who calls with it.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The user's tenant; empty: none.
    pub tenant: String,
    /// What else rules may select the user by.
    pub claims: Claims,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970; none: never.
    pub expires_at: Option<u64>,
    /// Seconds since 1970; none: not revoked.
    pub revoked_at: Option<u64>,
}

/// Why a caller's token is not taken. Callers learn only that it was not.
#[derive(Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// Nobody has it.
    #[error("the token is unknown")]
    Unknown,
    /// It was revoked.
    #[error("the token `{0}` was revoked")]
    Revoked(String),
    /// Its time is over.
    #[error("the token `{0}` has expired")]
    Expired(String),
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] TokenError),
}

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be used.
    #[error(transparent)]
    Open(#[from] DatabaseError),
    /// Another token has the name.
    #[error("a token named `{0}` exists; choose another name, or revoke it first")]
    NameTaken(String),
    /// A field cannot be taken.
    #[error("the token's {field} {problem}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The system has no randomness to give.
    #[error("the system gives no random bytes")]
    Random,
    /// SQLite failed.
    #[error("the token store failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// An earlier operation ended in the middle; the process must start anew.
    #[error("the token store is unusable after an earlier failure; restart the gateway")]
    Poisoned,
}

impl Purpose {
    /// What its tokens begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Client => PREFIX,
            Self::Approver => APPROVER_PREFIX,
        }
    }

    /// As it stands in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Approver => "approver",
        }
    }
}

impl Token {
    fn generate(purpose: Purpose) -> Result<Self, TokenError> {
        let mut secret = Zeroizing::new([0_u8; SECRET_BYTES]);
        aws_lc_rs::rand::SystemRandom::new()
            .fill(secret.as_mut())
            .map_err(|_| TokenError::Random)?;
        let prefix = purpose.prefix();
        Ok(Self(Zeroizing::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(*secret)))))
    }

    /// The text, to be shown to its owner once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests;
