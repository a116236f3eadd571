//! The stage between a decision and a permit: where the rules ask for people,
//! the call waits for them.
//!
//! While it waits it holds no place among the calls under way. When people have
//! agreed, the rules are asked once more, and what they agreed to must be exactly
//! what the rules ask about now; only then is the agreement used up.

use std::time::Duration;

use cofferdam_journal::ApprovalStep;
use cofferdam_policy::{Action, Pending, Permit, Voter};
use rmcp::model::InputRequiredResult;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::approvals::{
    Answer, ApprovalError, Asker, ELICITATION, Exactly, Place as Waiting, Question, Request, Scope,
    Shown, State, Verdict, Vote, Wait, now, question,
};
use crate::call::Call;
use crate::decide::{Decided, Policy, Refused};
use crate::elicit::{Person, Said, Turn, is_attended};
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::mcp::MOMENT;
use crate::place::Place;
use crate::tokens::Unauthenticated;

/// A permit, and the people that it rests on.
pub(crate) struct Consented {
    pub(crate) permit: Permit,
    pub(crate) consent: Option<Consent>,
    /// A narrower profile than the rules gave, where the caller wishes so.
    pub(crate) narrowed: Option<String>,
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
    #[error(
        "nothing was done yet: the person at the client is asked first (request {id}), and answers \
         with the same call, made again"
    )]
    Turn { id: String, asks: Box<InputRequiredResult> },
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
        "what people agreed to (request {0}) does not hold any more: the same call was made again \
         and used it, or a credential that they answered with was revoked; nothing was done. Call \
         again to ask them anew"
    )]
    Spent(String),
    #[error("people agreed to the request {id}, and nothing was done: {why}")]
    Caller { id: String, why: Unauthenticated },
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
    waited: Option<Waited>,
    /// The call leaves a request to people and is over.
    at_once: bool,
}

/// What a call waited for.
struct Waited {
    request: String,
    /// Nobody else waits for it, until this call's result is kept.
    place: Waiting,
}

impl Leave {
    pub(crate) fn new(early: oneshot::Sender<Fault>) -> Self {
        Self { early: Some(early), waited: None, at_once: false }
    }

    /// Of a call that waits for nobody.
    pub(crate) fn at_once() -> Self {
        Self { early: None, waited: None, at_once: true }
    }

    /// The request that the call waited for.
    pub(crate) fn request(&self) -> Option<&str> {
        self.waited.as_ref().map(|waited| waited.request.as_str())
    }

    /// Whether the caller may not be there any more to hear the answer.
    pub(crate) fn has_left(&self, call: &Call) -> bool {
        self.waited.is_some() && (self.early.is_none() || call.cancelled.is_cancelled())
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
    pub(crate) exactly: Exactly,
}

impl Asking<'_> {
    /// What the rules say now, with what people agreed to already.
    pub(crate) fn at_once(
        &self,
        policy: &Policy,
    ) -> Result<Result<Consented, Box<Question>>, Fault> {
        self.consented(policy, None)
    }

    /// The same, for the call that waited until people agreed. The rules may have
    /// changed meanwhile, and so may everything else.
    pub(crate) fn after(&self, policy: &Policy, leave: &Leave) -> Result<Consented, Fault> {
        let Some(Waited { request, place }) = &leave.waited else {
            return Err(Fault::Internal("a call that waited for nothing goes on".to_owned()));
        };
        let token = &self.call.origin.caller.token_id;
        if let Err(why) = self.gateway.tokens().still(token) {
            return Err(Lacking::Caller { id: request.clone(), why }.into());
        }
        match self.consented(policy, Some(place))? {
            Ok(consented) => Ok(consented),
            Err(question) => Err(self.lapsed(request, &question)?.into()),
        }
    }

    fn consented(
        &self,
        policy: &Policy,
        place: Option<&Waiting>,
    ) -> Result<Result<Consented, Box<Question>>, Fault> {
        let Self { gateway, call, action, exactly, .. } = self;
        let refused = |refused: Box<Refused>| refused.with_contact(gateway.config());
        let decided = policy.decide(&call.origin, self.place, action.clone()).map_err(refused)?;
        let pending = match decided {
            Decided::Permit(permit) => {
                return Ok(Ok(Consented { permit, consent: None, narrowed: None }));
            }
            Decided::Ask(pending) => pending,
        };
        let question = question(policy, &pending, &call.origin, *exactly, shown(call))
            .map_err(|error| Fault::Internal(error.to_string()))?;
        let usable = |request: &Request| self.stands(request);
        match gateway.approvals().take(&question, place, usable)? {
            None => Ok(Err(Box::new(question))),
            Some(request) => Ok(Ok(self.used(pending, &request)?)),
        }
    }

    /// Whether nobody's credential was revoked after they agreed with it.
    fn stands(&self, request: &Request) -> bool {
        let votes = request.votes.iter().filter(|vote| vote.through != ELICITATION);
        let mut agreed = votes.filter(|vote| vote.verdict == Verdict::Approve);
        // Where that cannot be told, it does not stand.
        let revoked = |id: &str| self.gateway.tokens().is_revoked(id).unwrap_or(true);
        agreed.all(|vote| !revoked(&vote.through))
    }

    /// Why what people agreed to is not what is needed now.
    fn lapsed(&self, request: &str, question: &Question) -> Result<Lacking, Fault> {
        let request = self.gateway.approvals().get(request)?;
        Ok(match agreed(&request) {
            Err(lacking) => lacking,
            Ok(()) if request.question.binding == question.binding => Lacking::Spent(request.id),
            Ok(()) => Lacking::Stale(request.id),
        })
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
        Ok(Consented { permit, consent: Some(consent), narrowed: None })
    }

    /// Leaves a request to people, for a call that does not wait.
    pub(crate) fn request(&self, question: &Question) -> Result<Fault, Fault> {
        let wait = self.enter(question)?;
        Ok(open(&wait.request, "call again then").into())
    }

    /// Waits until people have agreed; ends with an error where they do not.
    pub(crate) async fn wait(&self, question: &Question, leave: &mut Leave) -> Result<(), Fault> {
        if leave.at_once {
            return Err(self.request(question)?);
        }
        let approvals = self.gateway.approvals();
        let Wait { request, is_new: _, place } = self.enter(question)?;
        self.take_turns(&request)?;
        let Some(place) = place else {
            return Err(open(&request, DONE).into());
        };
        let id = request.id.clone();
        leave.waited = Some(Waited { request: id.clone(), place });
        let line = format!("waits for people to agree: cofferdam approve {id}");
        self.call.progress.last_line().send_replace(line);
        let (settled, sleep) = (approvals.settled(id.clone()), tokio::time::sleep(self.patience()));
        let at_client = self.at_client(&request);
        tokio::pin!(settled, sleep, at_client);
        let (mut is_left, mut has_said) = (false, false);
        let answer = loop {
            tokio::select! {
                answer = &mut settled => break answer,
                // What they said counts as an answer, and that settles it.
                () = &mut at_client, if !has_said => has_said = true,
                () = &mut sleep, if !is_left => {
                    is_left = true;
                    leave.now(open(&request, DONE));
                    self.call.progress.fall_silent();
                }
            }
        };
        match answer? {
            Answer::Stopping => Err(Lacking::Stopping(id).into()),
            Answer::Settled(request) => agreed(&request).map_err(Fault::from),
        }
    }

    /// How long the caller is left without an answer.
    fn patience(&self) -> Duration {
        let patience = self.gateway.approvals().patience();
        if self.call.takes_task { patience.min(MOMENT) } else { patience }
    }

    /// Waits for people as long as a caller may who stays there for the result, and
    /// cannot come back for it.
    pub(crate) async fn wait_here(&self, question: &Question) -> Result<(), Fault> {
        let Wait { request, .. } = self.enter(question)?;
        let (approvals, id) = (self.gateway.approvals(), request.id.clone());
        let settled = tokio::time::timeout(approvals.patience(), approvals.settled(id.clone()));
        match settled.await {
            Err(_) => return Err(open(&request, "call again then").into()),
            Ok(Ok(Answer::Settled(request))) => agreed(&request)?,
            Ok(Ok(Answer::Stopping)) => return Err(Lacking::Stopping(id).into()),
            Ok(Err(error)) => return Err(error.into()),
        }
        match self.gateway.tokens().still(&self.call.origin.caller.token_id) {
            Ok(_) => Ok(()),
            Err(why) => Err(Lacking::Caller { id, why }.into()),
        }
    }

    /// Asks whoever sits at the client while the call waits.
    async fn at_client(&self, request: &Request) {
        if let Some(Person::Live(person)) = self.person(&request.question) {
            self.count(request, person.ask(request).await);
        }
    }

    /// Where whoever sits at the client cannot be asked while the call waits:
    /// counts what they said, or ends the call so that its result asks them.
    fn take_turns(&self, request: &Request) -> Result<(), Lacking> {
        let Some(Person::Again(again)) = self.person(&request.question) else { return Ok(()) };
        match again.turn(request) {
            Some(Turn::Answered(said)) => self.count(request, said),
            Some(Turn::Ask(asks)) => return Err(Lacking::Turn { id: request.id.clone(), asks }),
            None => {}
        }
        Ok(())
    }

    /// Whoever sits at the client, where the rules take its word.
    fn person(&self, question: &Question) -> Option<&Person> {
        self.call.person.as_ref().filter(|_| is_attended(question))
    }

    /// Counts what was said at the client as an answer of who asks.
    fn count(&self, request: &Request, said: Said) {
        let question = &request.question;
        let verdict = match said {
            Said::Yes => Verdict::Approve,
            Said::No => Verdict::Refuse,
            Said::Nothing => return,
        };
        let Asker { user, groups, .. } = question.asker.clone();
        let vote = Vote {
            voter: Voter { user, groups },
            through: ELICITATION.to_owned(),
            verdict,
            scope: Scope::Once,
            note: String::new(),
            at: now(),
        };
        if let Err(error) = self.gateway.vote(&request.id, &question.binding, vote) {
            tracing::warn!(request = request.id, %error, "what was said at a client does not count");
        }
    }

    fn enter(&self, question: &Question) -> Result<Wait, Fault> {
        let approvals = self.gateway.approvals();
        let wait = approvals.ask(question, |request| {
            self.gateway.recorder().approval(request, ApprovalStep::Requested, None)
        })?;
        if wait.is_new {
            approvals.announce("requested", &wait.request);
            tracing::info!(request = wait.request.id, "a call waits for people");
        }
        match wait.request.state {
            State::Refused => Err(agreed(&wait.request)
                .err()
                .map_or_else(|| Fault::Internal("a refusal is none".to_owned()), Fault::from)),
            _ => Ok(wait),
        }
    }
}

/// What happens to a call that waits, once people agree.
const DONE: &str = "it is done then without you calling again: call check_approval with this id to \
                    wait for it and to get the result";

/// Why what was asked for is not to be done, where it is not.
pub(crate) fn agreed(request: &Request) -> Result<(), Lacking> {
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
const MOST_SHOWN: usize = 64 * 1024;

/// The arguments for people to look at: all of it, where that can be read.
fn shown(call: &Call) -> Shown {
    let Some(arguments) = &call.arguments else {
        return Shown { arguments: Value::Null, cut_from_bytes: None };
    };
    let whole = Value::Object(arguments.clone());
    let bytes = whole.to_string().len();
    if bytes <= MOST_SHOWN {
        return Shown { arguments: whole, cut_from_bytes: None };
    }
    let arguments = crate::call::for_record(&call.origin.tool, Some(arguments));
    Shown { arguments, cut_from_bytes: Some(bytes as u64) }
}

impl From<ApprovalError> for Fault {
    fn from(error: ApprovalError) -> Self {
        Lacking::from(error).into()
    }
}

impl Lacking {
    /// A stable word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Open { .. } | Self::Turn { .. } => "APPROVAL_PENDING",
            Self::Refused { .. } => "APPROVAL_REFUSED",
            Self::Expired(_) => "APPROVAL_EXPIRED",
            Self::Withdrawn(_) => "APPROVAL_WITHDRAWN",
            Self::Stale(_) => "APPROVAL_STALE",
            Self::Spent(_) => "APPROVAL_SPENT",
            Self::Caller { .. } => "UNAUTHENTICATED",
            Self::Stopping(_) => "STOPPING",
            Self::Failed(ApprovalError::TooMany(_)) => "TOO_MANY_APPROVALS",
            Self::Failed(_) => "APPROVAL_FAILED",
        }
    }

    /// What a caller can use besides the words.
    pub(crate) fn details(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Open { id, .. }
            | Self::Turn { id, .. }
            | Self::Refused { id, .. }
            | Self::Expired(id)
            | Self::Withdrawn(id)
            | Self::Stale(id)
            | Self::Spent(id)
            | Self::Caller { id, .. }
            | Self::Stopping(id) => vec![("approval", json!(id))],
            Self::Failed(_) => Vec::new(),
        }
    }
}
