//! What rules that only look on would have decided.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// What a gateway's shadow rules would have decided, where that differs from
/// what was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// `wider`, `narrower`, or `grant` where as much may be done with another
    /// grant.
    pub difference: String,
    /// `allow`, `ask` or `deny`.
    pub effect: String,
    /// The ids of the shadow rules that took part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Digest of the shadow rules.
    pub policy_digest: Digest,
}
