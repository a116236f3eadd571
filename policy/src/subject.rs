//! Who asks. The gateway fills this in from what it authenticated; rules select
//! by it, records name it.

mod claims;

use std::fmt;

pub use claims::{ClaimError, Claims};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// The user, as the token or certificate names it.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The MCP client's name as it introduced itself. A claim, not
    /// authenticated: a caller can pretend to be another client.
    pub client: String,
    /// The tenant that the user belongs to; empty: none.
    pub tenant: String,
    /// What the token says besides; rules and roles select by it.
    pub claims: Claims,
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.user)?;
        if !self.tenant.is_empty() {
            write!(out, " of {}", self.tenant)?;
        }
        if !self.groups.is_empty() {
            write!(out, " ({})", self.groups.join(", "))?;
        }
        Ok(())
    }
}
