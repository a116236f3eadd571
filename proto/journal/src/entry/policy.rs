//! Which rules a gateway decides by: one record each time that it takes others,
//! or refuses to.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Rules were taken, or those that lie on the disk are not right and the ones
/// in force stay.
///
/// The sequence of the record by which they were taken is the version of these
/// rules: it grows, also from one process to the next, and the record of each
/// decision names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What happened.
    pub step: PolicyStep,
    /// Rules that only look on, rather than those that decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// The file or directory that the configuration names.
    pub path: String,
    /// Digest of the rules that are in force from here on; none: there are none
    /// of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<Digest>,
    /// The version that a publisher gave these rules, where they are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_version: Option<u64>,
    /// The id of the key that the publisher signed them with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Why others were refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// What happened to rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyStep {
    /// They decide from here on.
    Loaded,
    /// They are not right; those before stay in force.
    Refused,
}

impl PolicyStep {
    /// As the record's line says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Refused => "refused",
        }
    }
}
