//! Comparing a gateway's journal with an agent's, run by run.
//!
//! Each side holds what the other said: the agent's records the gateway's hashes
//! and signed intents, the gateway's records the agent's receipts. What one side
//! lost, changed or made up shows here even where its own chain holds.

mod compare;
mod ledger;

use std::path::Path;

use cofferdam_trust::{SignatureError, TrustedKeys};

use crate::broken::Broken;
use crate::ending::Ending;

use compare::compare;
use ledger::Ledger;

/// One of the two journals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The gateway's.
    Gateway,
    /// The agent's.
    Agent,
}

/// What two journals came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// How many runs and operations were compared.
    pub compared: u64,
    /// Intents of other hosts or gateways, which these two cannot tell about.
    pub elsewhere: u64,
    /// Of those compared, the ones that the gateway lost: it was killed, or could not
    /// reach the host any more, and claims nothing of how they ended. How they did is
    /// the host's word alone.
    pub lost: u64,
    /// What does not agree, by run.
    pub findings: Vec<Finding>,
}

/// Something on which the two journals do not agree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The gateway has the intent, the agent has nothing.
    #[error(
        "run {run_id}: the gateway recorded it (record {sequence}), the host has no trace of it"
    )]
    MissingOnHost {
        /// The run.
        run_id: String,
        /// The gateway's record.
        sequence: u64,
    },
    /// The agent has the intent, the gateway has none.
    #[error(
        "run {run_id}: the host carried it out (record {sequence}), the gateway has no trace of it"
    )]
    MissingOnGateway {
        /// The run.
        run_id: String,
        /// The agent's record.
        sequence: u64,
    },
    /// The agent was told another hash than the gateway's record has.
    #[error(
        "run {run_id}: the host was told another hash of the gateway's record than that record has now"
    )]
    OtherHash {
        /// The run.
        run_id: String,
    },
    /// The gateway's word in the agent's record is not the gateway's.
    #[error(
        "run {run_id}: the gateway's signed intent in the host's record is not believed: {reason}"
    )]
    IntentSignature {
        /// The run.
        run_id: String,
        /// Why not.
        reason: SignatureError,
    },
    /// The agent's word in the gateway's record is not the agent's.
    #[error("run {run_id}: the host's receipt in the gateway's record is not believed: {reason}")]
    ReceiptSignature {
        /// The run.
        run_id: String,
        /// Why not.
        reason: SignatureError,
    },
    /// A signed word is about something else than the record that holds it.
    #[error("run {run_id}: the signed {word} and the journals differ in {what}")]
    OtherWord {
        /// The run.
        run_id: String,
        /// Intent or receipt.
        word: &'static str,
        /// In what.
        what: &'static str,
    },
    /// The two tell different endings.
    #[error("run {run_id}: the gateway says that it ended as {gateway:?}, the host as {agent:?}")]
    OtherEnding {
        /// The run.
        run_id: String,
        /// The gateway's.
        gateway: Box<Ending>,
        /// The agent's.
        agent: Box<Ending>,
    },
    /// The two have different digests of the output.
    #[error("run {run_id}: the two journals have different digests of its output")]
    OtherOutput {
        /// The run.
        run_id: String,
    },
    /// One side does not say how it ended.
    #[error("run {run_id}: the {side} has no outcome of it, the other side has one")]
    NoOutcome {
        /// The run.
        run_id: String,
        /// Which side.
        side: Side,
    },
    /// The gateway has the outcome and not the agent's word for it.
    #[error("run {run_id}: the gateway has an outcome and no receipt of the host")]
    NoReceipt {
        /// The run.
        run_id: String,
    },
}

/// Why two journals could not be compared.
#[derive(Debug, thiserror::Error)]
#[error("the {side}'s journal cannot be compared: {source}")]
pub struct ReconcileError {
    /// Whose journal.
    pub side: Side,
    /// What is wrong with it.
    pub source: Broken,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::Agent => "agent",
        })
    }
}

impl Reconciliation {
    /// Whether the two agree on everything.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Verifies both journals, then compares them. Signatures are checked with
/// `trusted` where given, else with the keys that each journal declares.
pub fn reconcile(
    gateway: &Path,
    agent: &Path,
    trusted: Option<&TrustedKeys>,
) -> Result<Reconciliation, ReconcileError> {
    let load = |directory: &Path, side| {
        Ledger::load(directory, trusted).map_err(|source| ReconcileError { side, source })
    };
    Ok(compare(&load(gateway, Side::Gateway)?, &load(agent, Side::Agent)?))
}
