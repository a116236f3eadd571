//! An action that was permitted and recorded: the only thing that a host acts
//! on.

use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use cofferdam_journal::{
    AppendError, Appended, Digest, Durable, Ending, Entry, Journal, Moved, Outcome, Usage,
};
use cofferdam_policy::{Basis, Call, Limits as Granted, Subject as Asker, WorkspaceAccess};
use cofferdam_proto::exec::v1::SessionClosing;
use cofferdam_proto::intent::v1 as wire;
use cofferdam_trust::{action_digest, sign_intent};
use prost_types::Timestamp;
use serde_json::{Value, json};

use super::{Draft, Recorder};
use crate::action::WireAction;
use crate::consent::{Consent, Consented};
use crate::fault::Fault;
use crate::hosts::CheckedReceipt;
use crate::tools::{Asked, Decision, Provenance};
use crate::trace::TraceContext;

/// How long a host takes the signed intent.
const LIFETIME: Duration = Duration::from_mins(1);

/// The longest run where neither the caller nor a rule says less; the host's
/// ceiling ends it sooner.
const LONGEST: Duration = Duration::from_hours(24);

/// An action that was permitted, recorded and signed. Its fields are private:
/// only [`Recorder::intent`] makes one.
#[derive(Debug)]
#[must_use = "a recorded intent needs an outcome"]
pub(crate) struct RecordedIntent<W> {
    action: W,
    signed: wire::SignedIntent,
    wall: Duration,
    provenance: Provenance,
    entered: Entered,
}

/// A look at runs of the caller's that was permitted and recorded. Only
/// [`Recorder::looking`] makes one.
#[derive(Debug)]
#[must_use = "a recorded intent needs an outcome"]
pub(crate) struct Looked {
    provenance: Provenance,
    entered: Entered,
}

/// An intent whose run goes on.
#[derive(Debug, Clone)]
#[must_use = "a run that goes on needs an outcome"]
pub(crate) struct Open {
    pub(crate) run_id: String,
    pub(crate) hash: Digest,
}

/// A recorded intent of the gateway's own, or what is left of one for a host:
/// what an outcome needs.
#[derive(Debug)]
#[must_use = "a recorded intent needs an outcome"]
pub(crate) struct Entered {
    run_id: String,
    tool: String,
    began: Instant,
    hash: Digest,
    durable: Durable,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    pub(crate) usage: Option<Usage>,
    pub(crate) sandbox: Option<Value>,
    pub(crate) receipt: Option<CheckedReceipt>,
}

impl Ended {
    /// With nothing more to say.
    pub(crate) fn with(ending: Ending) -> Self {
        Self { ending, usage: None, sandbox: None, receipt: None }
    }
}

impl Recorder {
    /// Records that `asked` was permitted, and signs it for the host, with the
    /// publisher's word for the rules. Nobody waits for the disk to have the record of
    /// what only reads: see [`Self::end`].
    pub(crate) fn intent<W: WireAction>(
        &self,
        consented: Consented,
        draft: Draft,
        asked: Asked<W>,
        policy: Option<&wire::SignedPolicyStatement>,
        only_reads: bool,
    ) -> Result<RecordedIntent<W>, Fault> {
        let Asked { wire: action, wall } = asked;
        if consented.permit.call().action != action.action() {
            return Err(Fault::Internal("the permit is for another action".to_owned()));
        }
        let digest = action_digest(&action);
        let nonce = nonce()?;
        let session = draft.call.session.clone();
        let trace = draft.trace.as_ref().map(TraceContext::on_wire);
        let approval = consented.consent.clone().map(approval_on_wire);
        let (basis, entered, sequence) = self.enter(consented, draft, Some(digest), only_reads)?;
        let grant = grant(&basis, wall);
        let Basis { call, rules, policy_digest, grant: _, table: _ } = basis;
        let wall = grant.limits.map_or(LONGEST, |limits| match limits.wall_millis {
            0 => LONGEST,
            millis => Duration::from_millis(millis),
        });
        let provenance = provenance(&call, rules.clone(), grant.profile.clone(), &entered);
        let Call { subject, project, host, tool, action: _, at: _ } = call;
        let now = SystemTime::now();
        let intent = wire::Intent {
            run_id: entered.run_id.clone(),
            subject: Some(subject_on_wire(subject)),
            project: project.name,
            host: host.name,
            session,
            tool,
            action_digest: digest.to_vec(),
            grant: Some(grant),
            policy_digest: policy_digest.to_vec(),
            rules,
            gateway_record_hash: entered.hash.0.to_vec(),
            gateway_record_sequence: sequence,
            nonce,
            issued_at: Some(Timestamp::from(now)),
            expires_at: Some(Timestamp::from(now + LIFETIME)),
            gateway: self.gateway.to_string(),
            approval,
            policy: policy.cloned(),
            trace,
        };
        let signed = sign_intent(&self.key, &intent);
        Ok(RecordedIntent { action, signed, wall, provenance, entered })
    }

    /// Records that something was permitted which the gateway does by itself.
    pub(crate) fn own_intent(&self, consented: Consented, draft: Draft) -> Result<Entered, Fault> {
        let (_, entered, _) = self.enter(consented, draft, None, true)?;
        Ok(entered)
    }

    /// Records that somebody may look at what a host has of theirs.
    pub(crate) fn looking(&self, consented: Consented, draft: Draft) -> Result<Looked, Fault> {
        let (basis, entered, _) = self.enter(consented, draft, None, true)?;
        let profile = basis.grant.profile.clone();
        let provenance = provenance(&basis.call, basis.rules, profile, &entered);
        Ok(Looked { provenance, entered })
    }

    /// Records that a run goes on while its caller is answered, and waits for the
    /// disk; its end follows.
    pub(crate) async fn goes_on(&self, entered: Entered) -> Result<Open, Fault> {
        let Entered { run_id, tool, began, hash, durable } = entered;
        let outcome = Outcome::new(&run_id, hash.0, Ending::GoesOn);
        self.metrics.ended(&tool, &outcome.ending, began.elapsed());
        self.append_outcome(outcome).map_err(Fault::Undurable)?;
        durable.wait().await.map_err(Fault::Undurable)?;
        Ok(Open { run_id, hash })
    }

    /// Records how a run ended that went on.
    pub(crate) fn ended(&self, open: Open, ended: Ended) -> Result<(), AppendError> {
        let Open { run_id, hash } = open;
        self.append_outcome(outcome(run_id, hash, ended))
    }

    /// Records that a caller ends a session of their own on a host, and signs it. No rule
    /// is about that: it gives nothing.
    pub(crate) fn closing(
        &self,
        draft: Draft,
        action: SessionClosing,
        policy: Option<&wire::SignedPolicyStatement>,
    ) -> Result<RecordedIntent<SessionClosing>, Fault> {
        let digest = action_digest(&action);
        let nonce = nonce()?;
        let Draft { mut call, began, trace } = draft;
        call.action_digest = Some(Digest(digest));
        let entry = Entry::Intent(cofferdam_journal::Intent {
            call: call.clone(),
            ..cofferdam_journal::Intent::default()
        });
        let Appended { sequence, hash, durable } =
            self.journal.append(entry).map_err(Fault::Unrecorded)?;
        let cofferdam_journal::Call { run_id, subject, project, host, session, tool, .. } = call;
        let subject = subject.unwrap_or_default();
        let now = SystemTime::now();
        let provenance = Provenance {
            host: host.clone(),
            project: project.clone(),
            run_id: run_id.clone(),
            decision: Decision::default(),
        };
        let intent = wire::Intent {
            run_id: run_id.clone(),
            subject: Some(wire::Subject {
                user: subject.user,
                groups: subject.groups,
                client: subject.client,
                tenant: subject.tenant,
            }),
            project,
            host,
            session,
            tool: tool.clone(),
            action_digest: digest.to_vec(),
            grant: Some(wire::Grant::default()),
            gateway_record_hash: hash.to_vec(),
            gateway_record_sequence: sequence,
            nonce,
            issued_at: Some(Timestamp::from(now)),
            expires_at: Some(Timestamp::from(now + LIFETIME)),
            gateway: self.gateway.to_string(),
            policy: policy.cloned(),
            trace: trace.as_ref().map(TraceContext::on_wire),
            ..wire::Intent::default()
        };
        let signed = sign_intent(&self.key, &intent);
        let entered = Entered { run_id, tool, began, hash: Digest(hash), durable };
        Ok(RecordedIntent { action, signed, wall: LONGEST, provenance, entered })
    }

    /// Records that somebody asks after what is their own, which no rule is about.
    pub(crate) fn unruled(&self, draft: Draft) -> Result<Entered, Fault> {
        let Draft { call, began, trace: _ } = draft;
        let (run_id, tool) = (call.run_id.clone(), call.tool.clone());
        let entry = Entry::Intent(cofferdam_journal::Intent { call, ..Default::default() });
        let Appended { hash, durable, .. } =
            self.journal.append_in_time(entry).map_err(Fault::Unrecorded)?;
        Ok(Entered { run_id, tool, began, hash: Digest(hash), durable })
    }

    fn enter(
        &self,
        consented: Consented,
        draft: Draft,
        digest: Option<[u8; 32]>,
        only_reads: bool,
    ) -> Result<(Basis, Entered, u64), Fault> {
        let Consented { permit, consent, narrowed } = consented;
        let mut basis = permit.into_basis();
        if let Some(profile) = narrowed {
            basis.grant.profile = profile;
        }
        let Draft { mut call, began, trace: _ } = draft;
        call.action_digest = digest.map(Digest);
        let (run_id, tool) = (call.run_id.clone(), call.tool.clone());
        let entry = Entry::Intent(cofferdam_journal::Intent {
            call,
            rules: basis.rules.clone(),
            policy_digest: Some(Digest(basis.policy_digest)),
            grant: json!({
                "profile": basis.grant.profile,
                "workspace": basis.grant.workspace.display().to_string(),
                "workspace_access": basis.grant.workspace_access.to_string(),
                "programs": basis.grant.programs.to_texts(),
                "limits": basis.grant.limits.to_string(),
                "network": basis.grant.network.to_texts(),
            }),
            gateway: None,
            approval: consent.map(|consent| consent.request),
        });
        let append = if only_reads { Journal::append_in_time } else { Journal::append };
        let Appended { sequence, hash, durable } =
            append(&self.journal, entry).map_err(Fault::Unrecorded)?;
        Ok((basis, Entered { run_id, tool, began, hash: Digest(hash), durable }, sequence))
    }

    /// Records how it ended, and waits until what was permitted is on disk; a
    /// pure read waits only until it is written, and the disk follows.
    pub(crate) async fn end(
        &self,
        entered: Entered,
        ended: Ended,
        only_reads: bool,
    ) -> Result<(), Fault> {
        self.end_of_transfer(entered, ended, only_reads, None).await
    }

    /// The same of a file that was moved.
    pub(crate) async fn end_of_transfer(
        &self,
        entered: Entered,
        ended: Ended,
        only_reads: bool,
        moved: Option<Moved>,
    ) -> Result<(), Fault> {
        let Entered { run_id, tool, began, hash, mut durable } = entered;
        self.metrics.ended(&tool, &ended.ending, began.elapsed());
        let outcome = Outcome { moved, ..outcome(run_id, hash, ended) };
        self.append_outcome(outcome).map_err(Fault::Undurable)?;
        let kept = if only_reads { durable.written().await } else { durable.wait().await };
        kept.map_err(Fault::Undurable)
    }
}

/// The record of an end.
fn outcome(run_id: String, intent: Digest, ended: Ended) -> Outcome {
    let Ended { ending, usage, sandbox, receipt } = ended;
    Outcome {
        run_id,
        intent,
        ending,
        output_digest: receipt.as_ref().map(|receipt| Digest(receipt.output_digest())),
        usage,
        sandbox,
        moved: None,
        receipt: receipt.map(CheckedReceipt::into_signed),
        salt: String::new(),
    }
}

fn provenance(call: &Call, rules: Vec<String>, profile: String, entered: &Entered) -> Provenance {
    Provenance {
        host: call.host.name.clone(),
        project: call.project.name.clone(),
        run_id: entered.run_id.clone(),
        decision: Decision { rules, profile },
    }
}

impl Looked {
    /// Where it looks and by whose leave.
    pub(crate) fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// What its outcome needs.
    pub(crate) fn into_entered(self) -> Entered {
        self.entered
    }
}

impl<W> RecordedIntent<W> {
    /// Waits until the record is written: what is read may be shown from then on.
    pub(crate) async fn written(&mut self) -> Result<(), Fault> {
        self.entered.durable.written().await.map_err(Fault::Undurable)
    }

    /// The run's id.
    pub(crate) fn run_id(&self) -> &str {
        &self.entered.run_id
    }

    /// What the host is asked to do.
    pub(crate) fn action(&self) -> &W {
        &self.action
    }

    /// The gateway's word for it.
    pub(crate) fn signed(&self) -> &wire::SignedIntent {
        &self.signed
    }

    /// The longest that it may take.
    pub(crate) fn wall(&self) -> Duration {
        self.wall
    }

    /// Where it acts and by whose leave.
    pub(crate) fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// What its outcome needs.
    pub(crate) fn into_entered(self) -> Entered {
        self.entered
    }
}

/// What the rules gave, narrowed by what the caller asked for.
fn grant(basis: &Basis, wall: Option<Duration>) -> wire::Grant {
    let cofferdam_policy::Grant {
        profile,
        workspace,
        workspace_access,
        programs,
        limits,
        network,
        layers,
    } = &basis.grant;
    wire::Grant {
        profile: profile.clone(),
        workspace: workspace.display().to_string(),
        workspace_access: match workspace_access {
            WorkspaceAccess::Read => wire::WorkspaceAccess::Read,
            WorkspaceAccess::Write => wire::WorkspaceAccess::Write,
        }
        .into(),
        programs: programs.to_texts(),
        limits: Some(limits_on_wire(*limits, wall)),
        network: network
            .to_texts()
            .into_iter()
            .map(|allowed| wire::Destinations { allowed })
            .collect(),
        required_layers: layers.iter().cloned().collect(),
    }
}

/// Unset is zero on the wire: what the profile says.
fn limits_on_wire(limits: Granted, wall: Option<Duration>) -> wire::Limits {
    let Granted { memory, processes, cpu_millis, wall: granted, output, file_size, open_files } =
        limits;
    let asked = wall.map(|wall| u64::try_from(wall.as_millis()).unwrap_or(u64::MAX));
    let granted = granted.map(|wall| wall.0);
    wire::Limits {
        memory_bytes: memory.map_or(0, |limit| limit.0),
        processes: processes.unwrap_or(0),
        cpu_millis: cpu_millis.unwrap_or(0),
        wall_millis: match (asked, granted) {
            (Some(asked), Some(granted)) => asked.min(granted),
            (asked, granted) => asked.or(granted).unwrap_or(0),
        },
        output_bytes: output.map_or(0, |limit| limit.0),
        file_size_bytes: file_size.map_or(0, |limit| limit.0),
        open_files: open_files.unwrap_or(0),
    }
}

fn subject_on_wire(subject: Asker) -> wire::Subject {
    // Claims are for the gateway's own rules; a host decides by none.
    let Asker { user, groups, client, tenant, claims: _ } = subject;
    wire::Subject { user, groups, client, tenant }
}

fn approval_on_wire(consent: Consent) -> wire::Approval {
    let Consent { request, people } = consent;
    wire::Approval { request, people }
}

fn nonce() -> Result<Vec<u8>, Fault> {
    let mut nonce = vec![0; 16];
    SystemRandom::new()
        .fill(&mut nonce)
        .map_err(|_| Fault::Internal("the system gives no random bytes".to_owned()))?;
    Ok(nonce)
}
