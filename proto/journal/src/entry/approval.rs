//! The steps on the way from a question to a person's answer, each a record of
//! its own, so that it can be told later who agreed to what, and when.

use serde::{Deserialize, Serialize};

use super::{Call, Subject};
use crate::digest::Digest;

/// One step of a request for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who asks for what; its run id is that of the call that asked first.
    pub call: Call,
    /// The request's id.
    pub request: String,
    /// What happened.
    pub step: ApprovalStep,
    /// What people agree to: the digest of exactly this action, host, subject,
    /// grant and rules.
    pub binding: Digest,
    /// The ids of the rules that ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Digest of those rules.
    pub policy_digest: Digest,
    /// The version that their publisher gave them; none: they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_version: Option<u64>,
    /// Who did the step, as their own credential says; none: the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Subject>,
    /// Stands for that credential, or says how else they agreed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub through: String,
    /// For how much they agreed: `once` or `session`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// What they said to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What happened to a request for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStep {
    /// A call waits for people.
    Requested,
    /// Somebody agreed; others have to as well.
    Agreed,
    /// Enough people agreed.
    Approved,
    /// Somebody refused.
    Refused,
    /// A call was permitted by it.
    Used,
    /// Nobody answered in time, or what was agreed to was not used in time.
    Expired,
    /// Who asked took it back.
    Withdrawn,
}

impl ApprovalStep {
    /// As the record's line says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Agreed => "agreed",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}
