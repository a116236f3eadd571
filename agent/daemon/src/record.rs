//! The agent's journal: what was meant to happen, what happened, what was
//! refused.
//!
//! A [`Recorded`] is the proof that an intent is durable; only
//! [`Recorder::intent`] makes one, and nothing is planned without it.

use cofferdam_journal::{
    AppendError, Appended, Call, Denial, Digest, Ending, Entry, Failure, GatewayWord, Intent,
    Journal, Moved, Outcome, Peer, PeerStep, Subject, Unfinished, Usage,
};
use cofferdam_proto::intent::v1::{self as wire, Receipt, SignedReceipt};
use cofferdam_trust::{PeerName, SigningKey, sign_receipt};
use serde_json::{Value, json};

use crate::clock;
use crate::fault::Fault;
use crate::intent::Verified;
use crate::metrics::Metrics;

/// Writes the journal and signs receipts.
#[derive(Debug)]
pub struct Recorder {
    journal: Journal,
    key: SigningKey,
    own: PeerName,
    metrics: Metrics,
}

/// An intent that is durable; one that only reads, that is written.
#[derive(Debug)]
#[must_use = "an intent that is recorded needs an outcome"]
pub struct Recorded {
    verified: Verified,
    hash: [u8; 32],
}

/// What this host decided about a call.
#[derive(Debug)]
pub struct Decided {
    /// The digest of the ceiling that decided.
    pub ceiling: [u8; 32],
    /// The grant as it was capped, by [`grant_value`]; null for a question about the
    /// host itself.
    pub grant: Value,
}

/// How a call ended cannot be recorded, so that nobody may say how it did: the next
/// process records it as lost.
#[derive(Debug, thiserror::Error)]
#[error(
    "it may have been done, in part or completely: how it ended cannot be recorded on this host \
     ({0}), whose journal will have it as lost"
)]
pub struct Unrecorded(#[from] AppendError);

/// What a call came to.
#[derive(Debug)]
pub struct CallResult {
    /// How it ended.
    pub ending: Ending,
    /// The digest of its output.
    pub output_digest: [u8; 32],
    /// What it used.
    pub usage: Option<Usage>,
    /// What held it, and what it ran into.
    pub sandbox: Option<Value>,
}

impl Recorded {
    /// One whose record an earlier process made; `hash` is that of the record.
    pub(crate) fn again(verified: Verified, hash: [u8; 32]) -> Self {
        Self { verified, hash }
    }

    /// The hash of its record.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The gateway's word that it is about.
    #[must_use]
    pub fn verified(&self) -> &Verified {
        &self.verified
    }
}

impl Recorder {
    /// With the journal, the key that signs receipts, and this agent's name.
    #[must_use]
    pub fn new(journal: Journal, key: SigningKey, own: PeerName) -> Self {
        Self { journal, key, own, metrics: Metrics::default() }
    }

    /// Records that something is about to happen, durably.
    ///
    /// # Errors
    /// Where the journal cannot keep it; nothing may start then.
    pub async fn intent(
        &self,
        verified: Verified,
        action: Value,
        decided: Decided,
    ) -> Result<Recorded, AppendError> {
        let entry = entry(&verified, action, decided);
        let Appended { hash, durable, .. } = self.journal.append(entry)?;
        durable.wait().await?;
        Ok(Recorded { verified, hash })
    }

    /// Records that something is about to be looked at, and changed by nobody: it
    /// is written, and durable within the journal's own time.
    ///
    /// # Errors
    /// As [`Self::intent`].
    pub async fn intent_to_read(
        &self,
        verified: Verified,
        action: Value,
        decided: Decided,
    ) -> Result<Recorded, AppendError> {
        let entry = entry(&verified, action, decided);
        let Appended { hash, mut durable, .. } = self.journal.append_in_time(entry)?;
        durable.written().await?;
        Ok(Recorded { verified, hash })
    }

    /// Records that nobody knows what an intent of an earlier process came to.
    pub fn lost(&self, unfinished: &Unfinished, reason: &str) {
        if let Err(error) = self.journal.append(Entry::Outcome(unfinished.lost(reason))) {
            tracing::error!(%error, "an outcome could not be recorded");
        }
    }

    /// Records what it came to and signs a receipt. The record is durable
    /// within the journal's own time.
    ///
    /// # Errors
    /// Where the journal takes no more; a restart then records it as lost.
    pub fn outcome(
        &self,
        recorded: Recorded,
        result: CallResult,
    ) -> Result<SignedReceipt, AppendError> {
        self.outcome_of_transfer(recorded, result, None)
    }

    /// The same of a file that was moved.
    ///
    /// # Errors
    /// As [`Self::outcome`].
    pub fn outcome_of_transfer(
        &self,
        recorded: Recorded,
        result: CallResult,
        moved: Option<Moved>,
    ) -> Result<SignedReceipt, AppendError> {
        let CallResult { ending, output_digest, usage, sandbox } = result;
        let Recorded { verified, hash } = recorded;
        let run_id = &verified.intent().run_id;
        let outcome = Outcome {
            output_digest: Some(Digest(output_digest)),
            usage,
            sandbox,
            moved,
            ..Outcome::new(run_id, hash, ending)
        };
        let counted = outcome.ending.clone();
        let appended = self.journal.append_in_time(Entry::Outcome(outcome))?;
        self.metrics.ended(&counted);
        let receipt = Receipt {
            run_id: run_id.clone(),
            host: self.own.to_string(),
            intent_digest: verified.digest().to_vec(),
            agent_intent_hash: hash.to_vec(),
            agent_outcome_hash: appended.hash.to_vec(),
            output_digest: output_digest.to_vec(),
            issued_at: Some(clock::now()),
        };
        Ok(sign_receipt(&self.key, &receipt))
    }

    /// What is counted of all that is recorded.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The journal itself, to be looked at.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Why the journal takes nothing more, if that is so.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.journal.failure().map(|error| error.to_string())
    }

    /// Records what became of this host as such. What it is about holds in any case.
    pub fn note(&self, step: PeerStep, by: &str, detail: &str) {
        let (peer, by, detail) = (self.own.name().to_owned(), by.to_owned(), detail.to_owned());
        if let Err(error) =
            self.journal.append_in_time(Entry::Peer(Peer { peer, step, by, detail }))
        {
            tracing::error!(%error, step = step.name(), "what became of this host is not recorded");
        }
    }

    /// Records a call of a peer that may not call, or whose intent is not
    /// believed: all that is known is who and which method.
    pub fn refused_peer(&self, peer: Option<&PeerName>, method: &str, fault: &Fault) {
        let subject = peer.map(|peer| Subject { user: peer.to_string(), ..Subject::default() });
        let tool = method.chars().take(128).collect();
        self.refuse(Call { subject, tool, ..Call::default() }, None, fault);
    }

    /// Records a call that was refused or failed before it was recorded as an
    /// intent.
    pub fn refused(&self, verified: &Verified, action: Value, fault: &Fault) {
        self.refuse(call(verified, action), Some(gateway_word(verified)), fault);
    }

    fn refuse(&self, call: Call, gateway: Option<GatewayWord>, fault: &Fault) {
        self.metrics.refused(fault.reason());
        let entry = if fault.is_denial() {
            Entry::Denial(Denial {
                call,
                rules: match fault.rule() {
                    "" => Vec::new(),
                    rule => vec![rule.to_owned()],
                },
                reasons: vec![fault.reason().to_owned(), fault.message().to_owned()],
                policy_digest: None,
                gateway,
            })
        } else {
            Entry::Failure(Failure {
                call,
                reason: fault.reason().to_owned(),
                detail: fault.message().to_owned(),
            })
        };
        // The call is refused in any case; the journal says itself why it is stuck.
        if let Err(error) = self.journal.append_in_time(entry) {
            tracing::error!(%error, reason = fault.reason(), "a refusal could not be recorded");
        }
    }
}

/// What is told of a call: its answer, or why there is none, with this host's word for
/// what it recorded. Without a record nothing is told but that it is lost.
///
/// # Errors
/// The call's own; [`Unrecorded`].
pub fn told<A>(
    answer: Result<A, Fault>,
    receipt: Result<SignedReceipt, AppendError>,
) -> Result<(A, SignedReceipt), Fault> {
    match (answer, receipt) {
        (Ok(answer), Ok(receipt)) => Ok((answer, receipt)),
        (Err(fault), Ok(receipt)) => Err(fault.with_receipt(Some(receipt))),
        (_, Err(error)) => Err(Unrecorded(error).into()),
    }
}

/// The record of what is about to happen.
fn entry(verified: &Verified, action: Value, decided: Decided) -> Entry {
    let Decided { ceiling, grant } = decided;
    Entry::Intent(Intent {
        call: call(verified, action),
        rules: verified.intent().rules.clone(),
        policy_digest: Some(Digest(ceiling)),
        grant,
        gateway: Some(gateway_word(verified)),
        approval: verified.intent().approval.as_ref().map(|it| it.request.clone()),
    })
}

fn call(verified: &Verified, action: Value) -> Call {
    let intent = verified.intent();
    let subject = intent.subject.clone().map(|subject| {
        let wire::Subject { user, groups, client, tenant } = subject;
        Subject { user, groups, client, tenant, ..Subject::default() }
    });
    Call {
        run_id: intent.run_id.clone(),
        subject,
        project: intent.project.clone(),
        host: intent.host.clone(),
        session: intent.session.clone(),
        tool: intent.tool.clone(),
        action,
        action_digest: Some(Digest(verified.action_digest())),
        trace: verified.trace(),
        ..Call::default()
    }
}

fn gateway_word(verified: &Verified) -> GatewayWord {
    GatewayWord {
        gateway: verified.gateway().to_string(),
        signed_intent: verified.signed().clone(),
        record_hash: Digest(verified.record_hash()),
        record_sequence: verified.intent().gateway_record_sequence,
    }
}

/// A grant as records have it.
#[must_use]
pub fn grant_value(grant: &wire::Grant) -> Value {
    let wire::Grant {
        profile,
        workspace,
        workspace_access,
        programs,
        limits,
        network,
        required_layers,
    } = grant;
    let network: Vec<_> = network.iter().map(|list| &list.allowed).collect();
    let access = match wire::WorkspaceAccess::try_from(*workspace_access) {
        Ok(wire::WorkspaceAccess::Write) => "write",
        _ => "read",
    };
    let limits = limits.map(|limits| {
        let wire::Limits {
            memory_bytes,
            processes,
            cpu_millis,
            wall_millis,
            output_bytes,
            file_size_bytes,
            open_files,
        } = limits;
        json!({
            "memory_bytes": memory_bytes, "processes": processes, "cpu_millis": cpu_millis,
            "wall_millis": wall_millis, "output_bytes": output_bytes,
            "file_size_bytes": file_size_bytes, "open_files": open_files,
        })
    });
    json!({
        "profile": profile, "workspace": workspace, "workspace_access": access,
        "programs": programs, "limits": limits, "network": network,
        "required_layers": required_layers,
    })
}
