//! What became of a host or a gateway as such, rather than of a call: one record
//! each time that somebody lets it in, holds it back or shuts it out.

use serde::{Deserialize, Serialize};

/// A step in the life of a host or a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The host or gateway, by its own name.
    pub peer: String,
    /// What happened.
    pub step: PeerStep,
    /// Who did it, as the gateway's machine knows them: a user's name, or empty
    /// where nobody did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Why, in their words, or what is known besides.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What happened to a host or a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerStep {
    /// No further runs are sent to it; those there go on.
    Drained,
    /// Runs are sent to it again.
    Undrained,
    /// No calls are sent to it any more.
    Frozen,
    /// Calls are sent to it again.
    Unfrozen,
    /// A join token was made for it.
    Invited,
    /// Somebody asked to be it and was sent away.
    TurnedAway,
    /// It showed its join token and named its keys.
    Enrolled,
    /// Its owner lets it in.
    Approved,
    /// Its owner does not let it in.
    Refused,
    /// It got its first certificate.
    Certified,
    /// It got its next certificate.
    Renewed,
    /// It got one although the last had lapsed, by its signing key.
    Reattested,
    /// Two seem to be it: nothing more is certified until its owner says who counts.
    Alarmed,
    /// Its owner says that all is well with it.
    Trusted,
    /// It counts for nothing any more.
    Revoked,
    /// It was forgotten.
    Removed,
    /// Of an authority: another certificate follows the one before.
    Rotated,
}

impl PeerStep {
    /// As the record's line says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::Undrained => "undrained",
            Self::Frozen => "frozen",
            Self::Unfrozen => "unfrozen",
            Self::Invited => "invited",
            Self::TurnedAway => "turned_away",
            Self::Enrolled => "enrolled",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Certified => "certified",
            Self::Renewed => "renewed",
            Self::Reattested => "reattested",
            Self::Alarmed => "alarmed",
            Self::Trusted => "trusted",
            Self::Revoked => "revoked",
            Self::Removed => "removed",
            Self::Rotated => "rotated",
        }
    }
}
