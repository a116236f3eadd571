//! A gateway's and an agent's journal of the same runs, then one of them changed.

use std::path::PathBuf;

use cofferdam_journal::{
    Call, Digest, Ending, Entry, Finding, GatewayWord, Intent, Journal, Outcome, Side, reconcile,
};
use cofferdam_proto::intent::v1::{self as wire, Receipt};
use cofferdam_trust::{SigningKey, sha256, sign_intent, sign_receipt};

use crate::desk::{Desk, call, keep};

const GATEWAY: &str = "spiffe://cofferdam/gateway/main";
const AGENT: &str = "spiffe://cofferdam/agent/one";

/// How one run is recorded; each flag spoils one thing.
#[derive(Default, Clone, Copy)]
struct Story {
    host_forgets: bool,
    gateway_forgets: bool,
    host_is_told_another_hash: bool,
    stranger_signs_the_intent: bool,
    stranger_signs_the_receipt: bool,
    receipt_is_for_another_outcome: bool,
    gateway_tells_another_ending: bool,
    gateway_has_another_output: bool,
    gateway_has_no_receipt: bool,
    gateway_has_no_outcome: bool,
}

struct Pair {
    gateway: Desk,
    agent: Desk,
}

impl Pair {
    fn new() -> Self {
        Self { gateway: Desk::of(GATEWAY), agent: Desk::of(AGENT) }
    }

    fn paths(&self) -> (PathBuf, PathBuf) {
        (self.gateway.path(), self.agent.path())
    }

    /// Records a good run, the told one, and a good one again.
    fn findings(story: Story) -> Vec<Finding> {
        let pair = Self::new();
        let (gateway, _) = pair.gateway.open();
        let (agent, _) = pair.agent.open();
        pair.run(&gateway, &agent, "good-1", Story::default());
        pair.run(&gateway, &agent, "told", story);
        pair.run(&gateway, &agent, "good-2", Story::default());
        drop((gateway, agent));
        let (gateway, agent) = pair.paths();
        let result = reconcile(&gateway, &agent, None).unwrap();
        assert_eq!(result.compared, 3);
        result.findings
    }

    fn run(&self, gateway: &Journal, agent: &Journal, run_id: &str, story: Story) {
        let stranger = SigningKey::generate().unwrap();
        let (hash, sequence) = if story.gateway_forgets {
            ([1; 32], 1)
        } else {
            let entry = Intent { call: call(run_id), ..Intent::default() };
            let (sequence, hash) = keep(gateway, Entry::Intent(entry));
            (hash, sequence)
        };
        let told = if story.host_is_told_another_hash { [2; 32] } else { hash };
        let signer = if story.stranger_signs_the_intent { &stranger } else { &self.gateway.key() };
        let signed_intent = sign_intent(
            signer,
            &wire::Intent {
                run_id: run_id.to_owned(),
                action_digest: vec![7; 32],
                gateway_record_hash: told.to_vec(),
                ..wire::Intent::default()
            },
        );
        let receipt = (!story.host_forgets).then(|| {
            let word = GatewayWord {
                gateway: GATEWAY.to_owned(),
                signed_intent: signed_intent.clone(),
                record_hash: Digest(told),
                record_sequence: sequence,
            };
            let entry = Intent { call: call(run_id), gateway: Some(word), ..Intent::default() };
            let (_, begun) = keep(agent, Entry::Intent(entry));
            let (_, ended) = keep(agent, Entry::Outcome(ended(run_id, begun)));
            let other = if story.receipt_is_for_another_outcome { [3; 32] } else { ended };
            Receipt {
                run_id: run_id.to_owned(),
                intent_digest: sha256(&signed_intent.intent).to_vec(),
                agent_intent_hash: begun.to_vec(),
                agent_outcome_hash: other.to_vec(),
                output_digest: vec![9; 32],
                ..Receipt::default()
            }
        });
        if story.gateway_forgets || story.gateway_has_no_outcome {
            return;
        }
        let signer = if story.stranger_signs_the_receipt { &stranger } else { &self.agent.key() };
        let mut outcome = ended(run_id, hash);
        outcome.receipt = Some(sign_receipt(signer, &receipt.unwrap_or_default()));
        if story.gateway_has_no_receipt {
            outcome.receipt = None;
        }
        if story.gateway_tells_another_ending {
            outcome.ending = Ending::Exited { code: 1 };
        }
        if story.gateway_has_another_output {
            outcome.output_digest = Some(Digest([8; 32]));
        }
        keep(gateway, Entry::Outcome(outcome));
    }
}

fn ended(run_id: &str, intent: [u8; 32]) -> Outcome {
    let output_digest = Some(Digest([9; 32]));
    Outcome { output_digest, ..Outcome::new(run_id, intent, Ending::Exited { code: 0 }) }
}

#[test]
fn two_honest_journals_agree() {
    assert_eq!(Pair::findings(Story::default()), []);
}

#[test]
fn every_disagreement_is_found_and_named() {
    type Check = fn(&Finding) -> bool;
    let fine = Story::default();
    let table: [(Story, Check); 10] = [
        (Story { host_forgets: true, ..fine }, |it| matches!(it, Finding::MissingOnHost { .. })),
        (Story { gateway_forgets: true, ..fine }, |it| {
            matches!(it, Finding::MissingOnGateway { .. })
        }),
        (Story { host_is_told_another_hash: true, ..fine }, |it| {
            matches!(it, Finding::OtherHash { .. })
        }),
        (Story { stranger_signs_the_intent: true, ..fine }, |it| {
            matches!(it, Finding::IntentSignature { .. })
        }),
        (Story { stranger_signs_the_receipt: true, ..fine }, |it| {
            matches!(it, Finding::ReceiptSignature { .. })
        }),
        (Story { receipt_is_for_another_outcome: true, ..fine }, |it| {
            matches!(it, Finding::OtherWord { word: "receipt", .. })
        }),
        (Story { gateway_tells_another_ending: true, ..fine }, |it| {
            matches!(it, Finding::OtherEnding { .. })
        }),
        (Story { gateway_has_another_output: true, ..fine }, |it| {
            matches!(it, Finding::OtherOutput { .. })
        }),
        (Story { gateway_has_no_receipt: true, ..fine }, |it| {
            matches!(it, Finding::NoReceipt { .. })
        }),
        (Story { gateway_has_no_outcome: true, ..fine }, |it| {
            matches!(it, Finding::NoOutcome { side: Side::Gateway, .. })
        }),
    ];
    for (index, (story, is_it)) in table.into_iter().enumerate() {
        let findings = Pair::findings(story);
        let [finding] = &findings[..] else { panic!("row {index}: {findings:?}") };
        assert!(is_it(finding), "row {index}: {finding}");
        assert!(finding.to_string().starts_with("run told:"), "{finding}");
    }
}

/// One run that each side recorded with an outcome of its own; what comes of it.
fn told(
    ours: impl FnOnce(Outcome) -> Outcome,
    theirs: Ending,
) -> cofferdam_journal::Reconciliation {
    let pair = Pair::new();
    let (gateway, _) = pair.gateway.open();
    let (agent, _) = pair.agent.open();
    let entry = Intent { call: call("told"), ..Intent::default() };
    let (sequence, hash) = keep(&gateway, Entry::Intent(entry));
    let wire = wire::Intent {
        run_id: "told".to_owned(),
        action_digest: vec![7; 32],
        gateway_record_hash: hash.to_vec(),
        ..wire::Intent::default()
    };
    let word = GatewayWord {
        gateway: GATEWAY.to_owned(),
        signed_intent: sign_intent(&pair.gateway.key(), &wire),
        record_hash: Digest(hash),
        record_sequence: sequence,
    };
    let entry = Intent { call: call("told"), gateway: Some(word), ..Intent::default() };
    let (_, begun) = keep(&agent, Entry::Intent(entry));
    keep(&agent, Entry::Outcome(Outcome::new("told", begun, theirs)));
    let lost = Outcome::new("told", hash, Ending::Lost { reason: "it was killed".to_owned() });
    keep(&gateway, Entry::Outcome(ours(lost)));
    drop((gateway, agent));
    let (gateway, agent) = pair.paths();
    reconcile(&gateway, &agent, None).unwrap()
}

#[test]
fn a_gateway_that_lost_sight_of_a_run_contradicts_nobody_and_is_counted() {
    let lost = Ending::Lost { reason: "the agent was killed".to_owned() };
    for theirs in [Ending::Exited { code: 0 }, Ending::Completed, lost] {
        let result = told(|lost| lost, theirs);
        assert!(result.agrees(), "{:?}", result.findings);
        assert_eq!((result.compared, result.lost), (1, 1));
    }
}

#[test]
fn a_gateway_that_claims_more_than_that_it_lost_a_run_needs_the_hosts_word() {
    let lost = || Ending::Lost { reason: "the agent was killed".to_owned() };
    let exited = |it: Outcome| Outcome { ending: Ending::Exited { code: 0 }, ..it };
    let result = told(exited, lost());
    let kinds =
        |it: &Finding| matches!(it, Finding::OtherEnding { .. } | Finding::NoReceipt { .. });
    assert!(result.findings.len() == 2 && result.findings.iter().all(kinds), "{result:?}");
    let failed = Ending::Failed { reason: "BAD_RECEIPT".to_owned(), detail: String::new() };
    assert!(!told(|it| Outcome { ending: failed, ..it }, lost()).agrees());
    // Lost, and yet it has output to show.
    let with_output = |it| Outcome { output_digest: Some(Digest([8; 32])), ..it };
    assert!(!told(with_output, lost()).agrees());
    let with_receipt = |it| Outcome {
        receipt: Some(sign_receipt(&SigningKey::generate().unwrap(), &Receipt::default())),
        ..it
    };
    assert!(!told(with_receipt, lost()).agrees());
}

#[test]
fn an_intent_that_the_gateway_could_not_send_is_no_disagreement() {
    let pair = Pair::new();
    let (gateway, _) = pair.gateway.open();
    let (agent, _) = pair.agent.open();
    let unsent = Intent { call: call("unsent"), ..Intent::default() };
    let (_, hash) = keep(&gateway, Entry::Intent(unsent));
    let ending = Ending::Failed { reason: "HOST_UNREACHABLE".into(), detail: String::new() };
    keep(&gateway, Entry::Outcome(Outcome { ending, ..ended("unsent", hash) }));
    let elsewhere = Call { host: "two".into(), ..call("elsewhere") };
    keep(&gateway, Entry::Intent(Intent { call: elsewhere, ..Intent::default() }));
    drop((gateway, agent));
    let (gateway, agent) = pair.paths();
    let result = reconcile(&gateway, &agent, None).unwrap();
    assert!(result.agrees(), "{:?}", result.findings);
    assert_eq!((result.compared, result.elsewhere), (1, 1));
}

#[test]
fn a_broken_journal_is_not_compared() {
    let pair = Pair::new();
    drop((pair.gateway.open(), pair.agent.open()));
    let file = &pair.agent.segments()[0];
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replacen("0.1.0", "0.1.1", 1)).unwrap();
    let (gateway, agent) = pair.paths();
    let error = reconcile(&gateway, &agent, None).unwrap_err();
    assert_eq!(error.side, Side::Agent);
}
