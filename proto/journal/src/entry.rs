//! What records say: a typed body for each kind.
//!
//! A caller appends an [`Entry`]; a record that is read holds a [`Body`], which
//! has the journal's own kinds too. Unknown fields are refused, so that nothing
//! in a journal can be looked past.

mod approval;
mod encoded;
mod peer;
mod policy;
mod shadow;
mod trace;

use std::collections::BTreeMap;

use cofferdam_proto::intent::v1::{SignedIntent, SignedReceipt};
use cofferdam_trust::VerifyingKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use approval::{Approval, ApprovalStep};
pub use peer::{Peer, PeerStep};
pub use policy::{Policy, PolicyStep};
pub use shadow::Shadow;
pub use trace::Trace;

use crate::digest::Digest;
use crate::ending::{Ending, Usage};

/// What a caller appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Something was permitted and is about to start.
    Intent(Intent),
    /// Something was refused by the rules or the ceiling.
    Denial(Denial),
    /// A call failed without a run: bad input, no authentication, no agent.
    Failure(Failure),
    /// What an intent came to.
    Outcome(Outcome),
    /// A step on the way from a question to a person's answer.
    Approval(Approval),
    /// Other rules were taken or refused.
    Policy(Policy),
    /// A host or gateway was let in, held back or shut out.
    Peer(Peer),
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case", deny_unknown_fields)]
pub enum Body {
    /// A process opened the journal.
    Opened(Opened),
    /// The owner signs with another key from here on.
    Key(KeyChange),
    /// See [`Entry::Intent`].
    Intent(Intent),
    /// See [`Entry::Denial`].
    Denial(Denial),
    /// See [`Entry::Failure`].
    Failure(Failure),
    /// See [`Entry::Outcome`].
    Outcome(Outcome),
    /// See [`Entry::Approval`].
    Approval(Approval),
    /// See [`Entry::Policy`].
    Policy(Policy),
    /// See [`Entry::Peer`].
    Peer(Peer),
    /// Signs everything before.
    Checkpoint(Checkpoint),
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The user.
    pub user: String,
    /// Their groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The client's name and version as it introduced itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// The tenant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// What their token says besides, in a gateway's journal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Vec<String>>,
}

/// Who asked for what. Of a call that failed early, some of it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The run id; also that of a file operation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run_id: String,
    /// Who asks; none where nobody was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The project.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// The host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The session.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The tool, or the RPC where it is all that is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// The action as JSON. Secrets in it are replaced when it is appended.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub action: Value,
    /// The action's digest, of the action before anything was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_digest: Option<Digest>,
    /// In a gateway's journal: what its shadow rules would have decided, where
    /// that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// In a gateway's journal: the version of the rules that decided, which is
    /// the sequence of the [`Policy`] record by which they were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u64>,
    /// Where it stands in its caller's distributed trace, if the caller named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// Salt of the digests that stand for secrets in this record. The journal
    /// sets it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub salt: String,
}

/// What the gateway said, in the agent's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayWord {
    /// The gateway's URI name, as its certificate says it.
    pub gateway: String,
    /// The signed intent.
    #[serde(with = "encoded::message")]
    pub signed_intent: SignedIntent,
    /// Hash of the gateway's record.
    pub record_hash: Digest,
    /// Sequence of the gateway's record.
    pub record_sequence: u64,
}

/// Something was permitted and is about to start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Who asked for what.
    pub call: Call,
    /// The ids of the rules that permitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Digest of the rules or of the ceiling that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<Digest>,
    /// The grant, as JSON; the agent's is the capped one.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub grant: Value,
    /// In an agent's journal: the gateway's word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayWord>,
    /// The request by which people agreed to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
}

/// Something was refused by the rules or the ceiling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// Who asked for what.
    pub call: Call,
    /// The ids of the rules that refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Why, as the caller was told.
    pub reasons: Vec<String>,
    /// Digest of the rules or of the ceiling that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<Digest>,
    /// In an agent's journal: the gateway's word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayWord>,
}

/// A call failed without a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// As much as was known.
    pub call: Call,
    /// A stable reason, such as `BAD_INPUT` or `UNAUTHENTICATED`.
    pub reason: String,
    /// In words, as the caller was told.
    pub detail: String,
}

/// What an intent came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The run id.
    pub run_id: String,
    /// Hash of the intent's record in this journal.
    pub intent: Digest,
    /// How it ended.
    pub ending: Ending,
    /// Digest over the output, as the receipt has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_digest: Option<Digest>,
    /// What it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What held a run and what it ran into, as the host told it; free in form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Value>,
    /// The file, or the part of one, that was sent or received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// In a gateway's journal: the agent's word for it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "encoded::option")]
    pub receipt: Option<SignedReceipt>,
    /// Salt of the digests that stand for secrets in this record. The journal
    /// sets it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub salt: String,
}

/// What was moved of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

/// A process opened the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Whose journal it is: a peer's URI name.
    pub owner: String,
    /// The program's version.
    pub version: String,
    /// The key that signs the checkpoints.
    pub key: VerifyingKey,
    /// What was cut off because a crash had torn it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
}

/// The torn end of a journal, cut off when it was opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// How many bytes.
    pub bytes: u64,
    /// Their digest.
    pub digest: Digest,
}

/// The owner signs with another key from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// The new key.
    pub key: VerifyingKey,
    /// The old key's id.
    pub previous: String,
    /// The old key's signature over owner, new key and the record before.
    #[serde(with = "encoded::bytes")]
    pub signature: Vec<u8>,
}

/// Signs everything before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Sequence of the record before.
    pub sequence: u64,
    /// Hash of the record before.
    pub hash: Digest,
    /// The signing key's id.
    pub key_id: String,
    /// Signature over owner, sequence and hash.
    #[serde(with = "encoded::bytes")]
    pub signature: Vec<u8>,
}

impl From<Entry> for Body {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Intent(it) => Self::Intent(it),
            Entry::Denial(it) => Self::Denial(it),
            Entry::Failure(it) => Self::Failure(it),
            Entry::Outcome(it) => Self::Outcome(it),
            Entry::Approval(it) => Self::Approval(it),
            Entry::Policy(it) => Self::Policy(it),
            Entry::Peer(it) => Self::Peer(it),
        }
    }
}

impl Outcome {
    /// What the intent whose record has this hash came to; the rest is filled in
    /// by whoever knows it.
    pub fn new(run_id: &str, intent: [u8; 32], ending: Ending) -> Self {
        Self {
            run_id: run_id.to_owned(),
            intent: Digest(intent),
            ending,
            output_digest: None,
            usage: None,
            sandbox: None,
            moved: None,
            receipt: None,
            salt: String::new(),
        }
    }
}

impl Body {
    /// The record's kind, as its line says it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Key(_) => "key",
            Self::Intent(_) => "intent",
            Self::Denial(_) => "denial",
            Self::Failure(_) => "failure",
            Self::Outcome(_) => "outcome",
            Self::Approval(_) => "approval",
            Self::Policy(_) => "policy",
            Self::Peer(_) => "peer",
            Self::Checkpoint(_) => "checkpoint",
        }
    }
}
