//! Who calls: the owner of the bearer token that a request carries.
//!
//! Only [`crate::http`] makes one, after the token store knew the token; every
//! later stage takes it from the request's extensions and asks nobody again.

use cofferdam_policy::Claims;

use crate::tokens::TokenRecord;

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) user: String,
    /// The user's groups.
    pub(crate) groups: Vec<String>,
    /// The user's tenant; empty: none.
    pub(crate) tenant: String,
    /// What the token says besides.
    pub(crate) claims: Claims,
    /// Stands for the token in records.
    pub(crate) token_id: String,
}

impl From<TokenRecord> for Caller {
    fn from(token: TokenRecord) -> Self {
        let TokenRecord {
            id,
            user,
            groups,
            tenant,
            claims,
            name: _,
            purpose: _,
            created_at: _,
            expires_at: _,
            revoked_at: _,
        } = token;
        Self { user, groups, tenant, claims, token_id: id }
    }
}
