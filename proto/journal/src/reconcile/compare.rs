//! The comparison of one run after the other.

use std::collections::BTreeSet;

use cofferdam_proto::intent::v1::Receipt;
use cofferdam_trust::{TrustedKeys, receipt_matches, verify_intent, verify_receipt};

use crate::digest::Digest;
use crate::ending::Ending;
use crate::entry::{GatewayWord, Intent, Outcome};

use super::ledger::{Ledger, Placed, Run};
use super::{Finding, Reconciliation, Side};

/// Compares two ledgers.
pub(super) fn compare(gateway: &Ledger, agent: &Ledger) -> Reconciliation {
    let mut result = Reconciliation::default();
    let hosts = agent.hosts();
    let run_ids: BTreeSet<&String> = gateway.runs.keys().chain(agent.runs.keys()).collect();
    for run_id in run_ids {
        let pair = (gateway.runs.get(run_id), agent.runs.get(run_id));
        let here = match pair {
            (_, Some(run)) => run.intents.iter().any(|it| is_of(&it.body, &gateway.owner)),
            // Without the digest of an action nothing was asked of the host: the
            // gateway answered from what it may see of a run.
            (Some(run), None) => run.intents.iter().any(|it| {
                it.body.call.action_digest.is_some() && hosts.contains(&it.body.call.host)
            }),
            (None, None) => false,
        };
        if !here {
            result.elsewhere += 1;
            continue;
        }
        result.compared += 1;
        let mut pass = Pass {
            run_id,
            gateway_keys: &gateway.keys,
            agent_keys: &agent.keys,
            findings: &mut result.findings,
            lost: &mut result.lost,
        };
        match pair {
            (Some(ours), Some(theirs)) if !ours.intents.is_empty() => pass.both(ours, theirs),
            (Some(ours), None) => pass.only_gateway(ours, agent.refused.contains(run_id)),
            (_, Some(theirs)) => pass.only_agent(theirs),
            (None, None) => {}
        }
    }
    result
}

/// Whether an agent's record is about an intent of this gateway.
fn is_of(intent: &Intent, gateway: &str) -> bool {
    intent.gateway.as_ref().is_none_or(|word| word.gateway == gateway)
}

/// The comparison of one run.
struct Pass<'a> {
    run_id: &'a String,
    gateway_keys: &'a TrustedKeys,
    agent_keys: &'a TrustedKeys,
    findings: &'a mut Vec<Finding>,
    lost: &'a mut u64,
}

impl Pass<'_> {
    /// An intent may stay without a trace on the host only where the gateway
    /// says itself that it never got there, or the host that it refused.
    fn only_gateway(&mut self, ours: &Run, refused: bool) {
        let unsent = match &ours.outcome {
            Some(outcome) => {
                outcome.body.receipt.is_none()
                    && matches!(outcome.body.ending, Ending::Failed { .. } | Ending::Lost { .. })
            }
            None => false,
        };
        if unsent || refused {
            return;
        }
        let sequence = ours.intents.first().map_or(0, |intent| intent.sequence);
        let run_id = self.run_id.clone();
        self.findings.push(Finding::MissingOnHost { run_id, sequence });
    }

    fn only_agent(&mut self, theirs: &Run) {
        let sequence = theirs.intents.first().map_or(0, |intent| intent.sequence);
        let run_id = self.run_id.clone();
        self.findings.push(Finding::MissingOnGateway { run_id, sequence });
    }

    fn both(&mut self, ours: &Run, theirs: &Run) {
        for intent in &theirs.intents {
            if let Some(word) = &intent.body.gateway {
                self.intent(ours, &intent.body, word);
            }
        }
        match (&ours.outcome, &theirs.outcome) {
            (Some(ours), Some(agents)) => self.outcomes(&ours.body, agents, theirs),
            (Some(ours), None) if ours.body.receipt.is_some() => self.no_outcome(Side::Agent),
            (None, Some(_)) => self.no_outcome(Side::Gateway),
            (Some(_) | None, None) => {}
        }
    }

    /// The gateway's word in the agent's record.
    fn intent(&mut self, ours: &Run, agents: &Intent, word: &GatewayWord) {
        let run_id = || self.run_id.clone();
        let placed = ours.intents.iter().find(|intent| {
            intent.hash == word.record_hash && intent.sequence == word.record_sequence
        });
        if placed.is_none() {
            self.findings.push(Finding::OtherHash { run_id: run_id() });
        }
        let intent = match verify_intent(self.gateway_keys, &word.signed_intent) {
            Ok(intent) => intent,
            Err(reason) => {
                return self.findings.push(Finding::IntentSignature { run_id: run_id(), reason });
            }
        };
        let digest = Digest::from_wire(&intent.action_digest);
        let differs = if intent.run_id != *self.run_id {
            Some("the run id")
        } else if agents.call.action_digest.is_some() && digest != agents.call.action_digest
            || placed.is_some_and(|placed| digest != placed.body.call.action_digest)
        {
            Some("the action")
        } else if Digest::from_wire(&intent.gateway_record_hash) != Some(word.record_hash) {
            Some("the hash of the gateway's record")
        } else {
            None
        };
        if let Some(what) = differs {
            self.findings.push(Finding::OtherWord { run_id: run_id(), word: "intent", what });
        }
    }

    fn outcomes(&mut self, ours: &Outcome, agents: &Placed<Outcome>, theirs: &Run) {
        if claims_nothing(ours) {
            *self.lost += 1;
            return;
        }
        let run_id = || self.run_id.clone();
        if !same_ending(&ours.ending, &agents.body.ending) {
            self.findings.push(Finding::OtherEnding {
                run_id: run_id(),
                gateway: Box::new(ours.ending.clone()),
                agent: Box::new(agents.body.ending.clone()),
            });
        }
        if ours.output_digest != agents.body.output_digest {
            self.findings.push(Finding::OtherOutput { run_id: run_id() });
        }
        let Some(receipt) = &ours.receipt else {
            return self.findings.push(Finding::NoReceipt { run_id: run_id() });
        };
        match verify_receipt(self.agent_keys, receipt) {
            Ok(receipt) => self.receipt(&receipt, agents, theirs),
            Err(reason) => {
                self.findings.push(Finding::ReceiptSignature { run_id: run_id(), reason });
            }
        }
    }

    /// The agent's word in the gateway's record.
    fn receipt(&mut self, receipt: &Receipt, agents: &Placed<Outcome>, theirs: &Run) {
        let mut words = theirs.intents.iter().filter_map(|intent| intent.body.gateway.as_ref());
        let intent_hash = Digest::from_wire(&receipt.agent_intent_hash);
        let differs = if receipt.run_id != *self.run_id {
            Some("the run id")
        } else if !words.any(|word| receipt_matches(receipt, &word.signed_intent)) {
            Some("the intent")
        } else if intent_hash != Some(agents.body.intent) {
            Some("the hash of the host's intent record")
        } else if Digest::from_wire(&receipt.agent_outcome_hash) != Some(agents.hash) {
            Some("the hash of the host's outcome record")
        } else if Digest::from_wire(&receipt.output_digest) != agents.body.output_digest {
            Some("the digest of the output")
        } else {
            None
        };
        if let Some(what) = differs {
            let run_id = self.run_id.clone();
            self.findings.push(Finding::OtherWord { run_id, word: "receipt", what });
        }
    }

    fn no_outcome(&mut self, side: Side) {
        self.findings.push(Finding::NoOutcome { run_id: self.run_id.clone(), side });
    }
}

/// A gateway that lost sight of a run says that it knows nothing, which contradicts no
/// host. Whatever else it says needs the host's receipt.
fn claims_nothing(ours: &Outcome) -> bool {
    let silent = ours.receipt.is_none() && ours.output_digest.is_none();
    silent && matches!(ours.ending, Ending::Lost { .. })
}

/// Words in an ending may be salted differently on the two sides; what kind it
/// is and its numbers may not differ.
fn same_ending(ours: &Ending, theirs: &Ending) -> bool {
    match (ours, theirs) {
        (Ending::DeniedBySandbox { .. }, Ending::DeniedBySandbox { .. })
        | (Ending::Lost { .. }, Ending::Lost { .. }) => true,
        (
            Ending::FailedToStart { step, errno, .. },
            Ending::FailedToStart { step: other_step, errno: other_errno, .. },
        ) => step == other_step && errno == other_errno,
        (Ending::Failed { reason, .. }, Ending::Failed { reason: other, .. }) => reason == other,
        _ => ours == theirs,
    }
}
