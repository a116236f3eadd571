//! The gateway's journal, and the only way from a permit to something that a
//! host will act on.
//!
//! A [`Draft`] collects what is known of a call while it passes the stages.
//! It ends as a failure, as a denial, or, together with a permit, as a
//! [`RecordedIntent`]: appended to the journal, its hash inside an intent that
//! is signed. Appending fixes the hash at once; the disk follows while the host
//! already works, and the end of the call waits for it before an answer leaves.

mod approval;
mod flood;
mod intent;
mod sandbox;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cofferdam_journal::{
    AppendError, Call, Denial, Digest, Entry, Failure, Journal, Options, Outcome, Recovery, Shadow,
    Subject,
};
use cofferdam_policy::Claims;
use cofferdam_trust::{KeyError, PeerName, SigningKey};
use serde_json::Value;

pub(crate) use intent::{Ended, Looked, Open, RecordedIntent};
pub(crate) use sandbox::recorded as recorded_sandbox;

use crate::call::Origin;
use crate::caller::Caller;
use crate::config::Config;
use crate::fault::Fault;
use crate::metrics::Metrics;
use crate::place::Place;
use crate::runs_changed::Owner;
use crate::trace::TraceContext;
use flood::Flood;

/// Keeps the gateway's journal and signs for it.
#[derive(Debug)]
pub(crate) struct Recorder {
    journal: Journal,
    key: SigningKey,
    gateway: PeerName,
    metrics: Arc<Metrics>,
    /// Holds back records of requests that nobody answers for.
    flood: Flood,
}

/// What an earlier process left open.
pub(crate) struct Left {
    /// The ids of runs that nobody waits for.
    pub(crate) lost: Vec<String>,
    /// Runs that go on, with the names of their hosts, and whose they are.
    pub(crate) going_on: Vec<(String, Open, Owner)>,
}

/// What is known of a call so far.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    call: Call,
    began: Instant,
    trace: Option<TraceContext>,
}

/// Why the journal cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The journal.
    #[error(transparent)]
    Open(#[from] cofferdam_journal::OpenError),
    /// What was left open before cannot be ended.
    #[error("cannot end what the last gateway left open: {0}")]
    Recover(#[from] AppendError),
}

impl Recorder {
    /// Opens the journal, and ends what an earlier process left open: nobody
    /// knows how it ended, so it counts as lost, but for runs that were left to
    /// themselves.
    pub(crate) fn open(
        config: &Config,
        gateway: &PeerName,
        metrics: &Arc<Metrics>,
    ) -> Result<(Self, Left), RecorderError> {
        let options = Options::new(&gateway.to_string(), SigningKey::load(&config.signing_key)?);
        let (journal, Recovery { unfinished, .. }) = Journal::open(&config.journal, options)?;
        let (mut lost, mut going_on) = (Vec::new(), Vec::new());
        for open in unfinished {
            if open.goes_on {
                let (run_id, hash) = (open.run_id, Digest(open.hash));
                let subject = open.call.subject.clone().unwrap_or_default();
                let owner = Owner { tenant: subject.tenant, user: subject.user };
                going_on.push((open.call.host.clone(), Open { run_id, hash }, owner));
                continue;
            }
            lost.push(open.run_id.clone());
            journal.append(Entry::Outcome(open.lost("the gateway stopped while it went on")))?;
        }
        let key = SigningKey::load(&config.signing_key)?;
        let (gateway, metrics) = (gateway.clone(), Arc::clone(metrics));
        let recorder = Self { journal, key, gateway, metrics, flood: Flood::default() };
        Ok((recorder, Left { lost, going_on }))
    }

    /// Records why a call stopped before anything was asked of a host.
    pub(crate) fn stopped(&self, draft: Draft, fault: &Fault) {
        let Draft { call, began, trace: _ } = draft;
        self.metrics.stopped(&call.tool, fault, began.elapsed());
        let entry = match fault {
            Fault::Refused(refused) => Entry::Denial(Denial {
                call,
                rules: refused.rules.clone(),
                reasons: vec![refused.to_string()],
                policy_digest: Some(Digest(refused.policy_digest)),
                gateway: None,
            }),
            other => Entry::Failure(Failure {
                call,
                reason: other.reason().to_owned(),
                detail: other.to_string(),
            }),
        };
        self.append_refusal(entry);
    }

    /// Records a call that never had a shape.
    pub(crate) fn failure(&self, origin: &Origin, reason: &str, detail: &str) {
        self.metrics.no_call(&origin.tool);
        let Draft { call, .. } = Draft::new(origin, Value::Null);
        let (reason, detail) = (reason.to_owned(), detail.to_owned());
        self.append_refusal(Entry::Failure(Failure { call, reason, detail }));
    }

    /// Records a request that did not become a call.
    pub(crate) fn refused_request(
        &self,
        caller: Option<&Caller>,
        reason: &'static str,
        detail: &str,
    ) {
        self.metrics.refused_request(reason);
        let user = caller.map(|caller| caller.user.as_str());
        let Some(held_back) = self.flood.admit(user) else { return };
        let more = match held_back {
            0 => String::new(),
            count => format!(" ({count} more like this were not recorded one by one)"),
        };
        let subject = caller.map(|caller| subject(caller, ""));
        self.append_refusal(Entry::Failure(Failure {
            call: Call { subject, ..Call::default() },
            reason: reason.to_owned(),
            detail: format!("{detail}{more}"),
        }));
    }

    /// Records which rules decide, or why others do not; gives its sequence.
    pub(crate) fn policy(&self, policy: cofferdam_journal::Policy) -> Result<u64, AppendError> {
        Ok(self.journal.append(Entry::Policy(policy))?.sequence)
    }

    /// Records what became of a host or gateway as such.
    pub(crate) fn peer(&self, peer: cofferdam_journal::Peer) -> Result<(), AppendError> {
        self.peers()(peer)
    }

    /// The same for whoever outlives a borrow.
    pub(crate) fn peers(
        &self,
    ) -> impl Fn(cofferdam_journal::Peer) -> Result<(), AppendError> + Send + Sync + 'static {
        let (journal, metrics) = (self.journal.clone(), Arc::clone(&self.metrics));
        move |peer| {
            let step = peer.step;
            journal.append(Entry::Peer(peer))?;
            metrics.peer(step);
            Ok(())
        }
    }

    /// Whether anything can still be recorded.
    pub(crate) fn is_writable(&self) -> bool {
        self.journal.failure().is_none()
    }

    /// The journal itself, to be looked at.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Signs what there is, waits for the disk and takes nothing more.
    pub(crate) fn close(&self) -> Result<(), AppendError> {
        self.journal.close()
    }

    /// A refusal stays one even where it cannot be recorded.
    fn append_refusal(&self, entry: Entry) {
        if let Err(error) = self.journal.append_in_time(entry) {
            tracing::error!(%error, "a refusal could not be recorded");
        }
    }

    fn append_outcome(&self, outcome: Outcome) -> Result<(), AppendError> {
        self.journal.append_in_time(Entry::Outcome(outcome)).map(drop)
    }
}

impl Draft {
    /// Begins the record of a call.
    pub(crate) fn new(origin: &Origin, action: Value) -> Self {
        let Origin { run_id, caller, client, session, tool, trace } = origin;
        let call = Call {
            run_id: run_id.clone(),
            subject: Some(subject(caller, client)),
            session: session.clone(),
            tool: tool.clone(),
            action,
            trace: trace.as_ref().map(TraceContext::recorded),
            ..Call::default()
        };
        Self { call, began: Instant::now(), trace: trace.clone() }
    }

    /// Which rules decide about it, and what the shadow rules say where that
    /// differs.
    pub(crate) fn policy(&mut self, version: u64, shadow: Option<Shadow>) {
        self.call.policy_version = Some(version);
        self.call.shadow = shadow;
    }

    /// What is asked, where that is known only later.
    pub(crate) fn action(&mut self, action: Value) {
        self.call.action = action;
    }

    /// The session that it is in or about.
    pub(crate) fn session(&mut self, name: String) {
        self.call.session = name;
    }

    /// Where it would act.
    pub(crate) fn place(&mut self, place: &Place) {
        self.call.project.clone_from(&place.project);
        self.call.host.clone_from(&place.host);
    }
}

/// Claims as records keep them.
fn recorded_claims(claims: &Claims) -> BTreeMap<String, Vec<String>> {
    claims.iter().map(|(name, values)| (name.to_owned(), values.to_vec())).collect()
}

fn subject(caller: &Caller, client: &str) -> Subject {
    Subject {
        user: caller.user.clone(),
        groups: caller.groups.clone(),
        client: client.to_owned(),
        tenant: caller.tenant.clone(),
        claims: recorded_claims(&caller.claims),
    }
}
