//! The stage between a decision and a permit: where the rules ask for people,
//! the call waits for them.
//!
//! While it waits it holds no place among the calls under way. When people have
//! agreed, the rules are asked once more, and what they agreed to must be exactly
//! what the rules ask about now; only then is the agreement used up.

use cofferdam_journal::ApprovalStep;
use cofferdam_policy::{Action, Pending, Permit};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::approvals::{Answer, ApprovalError, Question, Request, State, Wait, question};
use crate::call::Call;
use crate::decide::Decided;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::place::Place;

/// A permit, and the people that it rests on.
pub(crate) struct Consented {
    pub(crate) permit: Permit,
    pub(crate) consent: Option<Consent>,
}

/// What people agreed to: for the record and the host.
#[derive(Debug, Clone)]
pub(crate) struct Consent {
    /// The request's id.
    pub(crate) request: String,
    /// Who agreed.
    pub(crate) people: Vec<String>,
}

/// Why a call that people have to agree to was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lacking {
    #[error(
        "nothing was done yet: people have to agree first ({why}). The request {id} waits for \
         {people}. Once they agree, {then}. Do not try the same in another way"
    )]
    Open { id: String, why: String, people: String, then: &'static str },
    #[error("{who} refused the request {id}{note}; nothing was done. Do not try it in another way")]
    Refused { id: String, who: String, note: String },
    #[error("nobody agreed to the request {0} in time; nothing was done")]
    Expired(String),
    #[error("the request {0} was taken back; nothing was done")]
    Withdrawn(String),
    #[error(
        "the rules have changed since people were asked (request {0}), so that they agreed to \
         something else; nothing was done. Call again to ask them anew"
    )]
    Stale(String),
    #[error(
        "the gateway stops; the request {0} stays open, and the same call can be made once people \
         have agreed"
    )]
    Stopping(String),
    #[error("people cannot be asked, and nothing was done: {0}")]
    Failed(#[from] ApprovalError),
}

/// Tells a caller early that their call waits, and remembers for what.
pub(crate) struct Leave {
    early: Option<oneshot::Sender<Fault>>,
    request: Option<String>,
}

impl Leave {
    pub(crate) fn new(early: oneshot::Sender<Fault>) -> Self {
        Self { early: Some(early), request: None }
    }

    /// The request that the call waited for.
    pub(crate) fn request(&self) -> Option<&str> {
        self.request.as_deref()
    }

    /// What people agreed to is not what the rules ask about now.
    pub(crate) fn stale(&self) -> Lacking {
        Lacking::Stale(self.request.clone().unwrap_or_default())
    }

    /// Whether the caller may not be there any more to hear the answer.
    pub(crate) fn has_left(&self, call: &Call) -> bool {
        self.request.is_some() && (self.early.is_none() || call.cancelled.is_cancelled())
    }

    fn now(&mut self, lacking: Lacking) {
        if let Some(early) = self.early.take() {
            // Whoever has left does not hear it.
            let _ = early.send(lacking.into());
        }
    }
}

/// Asks the rules, and people where the rules say so.
pub(crate) struct Asking<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) call: &'a Call,
    pub(crate) place: Option<&'a Place>,
    pub(crate) action: Action,
    /// Digest of the action as a host would get it.
    pub(crate) digest: [u8; 32],
}

impl Asking<'_> {
    /// What the rules say now, with what people agreed to already.
    pub(crate) fn at_once(&self) -> Result<Result<Consented, Box<Question>>, Fault> {
        let Self { gateway, call, place, action, digest } = self;
        let pending = match gateway.policy().decide(&call.origin, *place, action.clone())? {
            Decided::Permit(permit) => return Ok(Ok(Consented { permit, consent: None })),
            Decided::Ask(pending) => pending,
        };
        let shown = shown(call);
        let question = question(&pending, &call.origin, *digest, shown)
            .map_err(|error| Fault::Internal(error.to_string()))?;
        match gateway.approvals().take(&question).map_err(Lacking::from)? {
            None => Ok(Err(Box::new(question))),
            Some(request) => Ok(Ok(self.used(pending, &request)?)),
        }
    }

    fn used(&self, pending: Pending, request: &Request) -> Result<Consented, Fault> {
        let voters = request.voters();
        let Ok(permit) = pending.approve(&voters) else {
            // The store counts by the same demands; another answer is a mistake.
            return Err(Fault::Internal("an approval was kept that is not enough".to_owned()));
        };
        self.gateway.recorder().approval(request, ApprovalStep::Used, None)?;
        let people = voters.into_iter().map(|voter| voter.user).collect();
        let consent = Consent { request: request.id.clone(), people };
        Ok(Consented { permit, consent: Some(consent) })
    }

    /// Leaves a request to people, for a call that does not wait.
    pub(crate) fn request(&self, question: &Question) -> Result<Fault, Fault> {
        let wait = self.enter(question)?;
        Ok(open(&wait.request, "call again then").into())
    }

    /// Waits until people have agreed; ends with an error where they do not.
    pub(crate) async fn wait(&self, question: &Question, leave: &mut Leave) -> Result<(), Fault> {
        let approvals = self.gateway.approvals();
        let Wait { request, is_new: _, place } = self.enter(question)?;
        let Some(_place) = place else {
            return Err(open(&request, DONE).into());
        };
        let id = request.id.clone();
        leave.request = Some(id.clone());
        let line = format!("waits for people to agree: cofferdam approve {id}");
        self.call.progress.last_line().send_replace(line);
        let settled = approvals.settled(id.clone());
        tokio::pin!(settled);
        let answer = tokio::select! {
            answer = &mut settled => answer,
            () = tokio::time::sleep(approvals.patience()) => {
                leave.now(open(&request, DONE));
                settled.await
            }
        };
        match answer.map_err(Lacking::from)? {
            Answer::Stopping => Err(Lacking::Stopping(id).into()),
            Answer::Settled(request) => agreed(&request).map_err(Fault::from),
        }
    }

    fn enter(&self, question: &Question) -> Result<Wait, Fault> {
        let approvals = self.gateway.approvals();
        let wait = approvals.ask(question).map_err(Lacking::from)?;
        if wait.is_new {
            self.gateway.recorder().approval(&wait.request, ApprovalStep::Requested, None)?;
            approvals.announce("requested", &wait.request);
            tracing::info!(
                request = wait.request.id,
                "a call waits for people: {}",
                question.action
            );
        }
        Ok(wait)
    }
}

/// What happens to a call that waits, once people agree.
const DONE: &str = "it is done then without you calling again: call check_approval with this id to \
                    wait for it and to get the result";

fn agreed(request: &Request) -> Result<(), Lacking> {
    let id = || request.id.clone();
    match request.state {
        State::Approved | State::Used => Ok(()),
        State::Refused => {
            let last = request.votes.last();
            let note = last.map_or("", |vote| &vote.note);
            Err(Lacking::Refused {
                id: id(),
                who: last.map_or_else(|| "somebody".to_owned(), |vote| vote.voter.user.clone()),
                note: if note.is_empty() { String::new() } else { format!(" («{note}»)") },
            })
        }
        State::Withdrawn => Err(Lacking::Withdrawn(id())),
        State::Expired | State::Pending => Err(Lacking::Expired(id())),
    }
}

fn open(request: &Request, then: &'static str) -> Lacking {
    let demands = request.question.demands.iter().map(ToString::to_string);
    Lacking::Open {
        id: request.id.clone(),
        why: request.question.reasons.join("; "),
        people: demands.collect::<Vec<_>>().join("; and "),
        then,
    }
}

/// Bytes of arguments that people are shown as they are; longer ones are shown
/// as records keep them.
const SHOWN: usize = 64 * 1024;

/// The arguments for people to look at: all of it, where that can be read.
fn shown(call: &Call) -> Value {
    let Some(arguments) = &call.arguments else { return Value::Null };
    let whole = Value::Object(arguments.clone());
    if whole.to_string().len() <= SHOWN {
        return whole;
    }
    crate::call::for_record(&call.origin.tool, Some(arguments))
}

impl Lacking {
    /// A stable word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Open { .. } => "APPROVAL_PENDING",
            Self::Refused { .. } => "APPROVAL_REFUSED",
            Self::Expired(_) => "APPROVAL_EXPIRED",
            Self::Withdrawn(_) => "APPROVAL_WITHDRAWN",
            Self::Stale(_) => "APPROVAL_STALE",
            Self::Stopping(_) => "STOPPING",
            Self::Failed(ApprovalError::TooMany(_)) => "TOO_MANY_APPROVALS",
            Self::Failed(_) => "APPROVAL_FAILED",
        }
    }

    /// What a caller can use besides the words.
    pub(crate) fn details(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Open { id, .. }
            | Self::Refused { id, .. }
            | Self::Expired(id)
            | Self::Withdrawn(id)
            | Self::Stale(id)
            | Self::Stopping(id) => vec![("approval", json!(id))],
            Self::Failed(_) => Vec::new(),
        }
    }
}
