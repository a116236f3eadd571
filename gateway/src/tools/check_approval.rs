//! `check_approval`: how a request to people stands, and what the call that
//! waited for them came to. The gateway answers it by itself, to whoever asked
//! those people and to nobody else; no rule is needed to hear of one's own.

use std::time::Duration;

use cofferdam_journal::ApprovalStep;
use jiff::Timestamp;
use rmcp::model::CallToolResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::definition::{About, Effect};
use super::view::rfc3339;
use crate::approvals::{ApprovalError, Approvals, Request, State};
use crate::call::Origin;
use crate::consent::Lacking;
use crate::fault::Fault;
use crate::input::BadInput;
use crate::record::Recorder;
use crate::result::{Answer, InWords};

/// What a client is told about the tool.
pub(super) const ABOUT: About = About {
    name: "check_approval",
    title: "Check a request for approval",
    description: "Tells how a request for approval stands that another call returned as \
         `approval`, and once people agreed and it was done, its result. With `wait_seconds` it \
         waits for them. With `withdraw` it takes the request back.",
    effect: Effect::Reads,
};

/// Clients give up after a minute.
const LONGEST_WAIT: u64 = 50;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The request's id, such as ap-0123456789ab.
    approval: String,
    /// How long to wait for a change, 0 to 50 (default 45).
    #[serde(default = "default_wait")]
    #[schemars(range(min = 0, max = 50))]
    wait_seconds: u64,
    /// Takes the request back, so that it is not done any more.
    #[serde(default)]
    withdraw: bool,
}

fn default_wait() -> u64 {
    45
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    approval: String,
    /// pending, approved, used (being done, or done), refused, expired or withdrawn.
    state: &'static str,
    /// What was asked for, in words.
    action: String,
    /// Who agreed so far.
    agreed: Vec<String>,
    /// How many more people have to agree.
    missing: usize,
    /// Until when they can (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// The result of the call that waited, as it would have been returned; none: it has not
    /// ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip)]
    #[schemars(skip)]
    in_words: String,
    #[serde(skip)]
    #[schemars(skip)]
    is_worked_on: bool,
    #[serde(skip)]
    #[schemars(skip)]
    failed: bool,
    /// This call's id.
    pub(crate) run_id: String,
}

/// Looks, waits or takes back.
pub(crate) async fn answer(
    approvals: &Approvals,
    recorder: &Recorder,
    origin: &Origin,
    input: Input,
) -> Result<Output, Fault> {
    let Input { approval, wait_seconds, withdraw } = input;
    if wait_seconds > LONGEST_WAIT {
        let message = format!("`wait_seconds` is at most {LONGEST_WAIT}; call again to wait on");
        return Err(BadInput::field("wait_seconds", message).into());
    }
    let (token, user) = (&origin.caller.token_id, &origin.caller.user);
    if withdraw {
        let request = approvals.withdraw(&approval, token).map_err(told)?;
        recorder.approval(&request, ApprovalStep::Withdrawn, None)?;
        approvals.announce("withdrawn", &request);
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(wait_seconds);
    loop {
        let change = approvals.changes();
        // Looked at first: what is not worked on any more has all its result.
        let is_worked_on = approvals.is_waited_for(&approval);
        let (request, result) = approvals.own(&approval, token).map_err(told)?;
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        let settled = is_settled(&request, result.is_some(), is_worked_on);
        if settled || left.is_zero() || !approvals.change(user, change, left).await {
            // What came in the last moment counts, too.
            let (request, result) = approvals.own(&approval, token).map_err(told)?;
            return shown(request, result.as_deref(), is_worked_on, origin);
        }
    }
}

/// Whether waiting brings nothing new.
fn is_settled(request: &Request, has_result: bool, is_worked_on: bool) -> bool {
    match request.state {
        State::Pending => false,
        State::Approved | State::Used => has_result || !is_worked_on,
        State::Refused | State::Expired | State::Withdrawn => true,
    }
}

fn shown(
    request: Request,
    result: Option<&str>,
    is_worked_on: bool,
    origin: &Origin,
) -> Result<Output, Fault> {
    let kept: Option<CallToolResult> = result
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| Fault::Internal(format!("a kept result cannot be read: {error}")))?;
    let text = |kept: &CallToolResult| {
        let texts = kept.content.iter().filter_map(|block| block.as_text());
        texts.map(|text| text.text.clone()).collect::<String>()
    };
    let seconds = i64::try_from(request.expires_at).unwrap_or(i64::MAX);
    Ok(Output {
        state: request.state.name(),
        is_worked_on,
        agreed: request.voters().into_iter().map(|voter| voter.user).collect(),
        missing: if request.state == State::Pending { request.missing() } else { 0 },
        expires_at: Timestamp::from_second(seconds).ok().and_then(rfc3339),
        in_words: kept.as_ref().map(text).unwrap_or_default(),
        failed: kept.as_ref().is_some_and(|kept| kept.is_error == Some(true)),
        result: kept.and_then(|kept| kept.structured_content),
        action: request.question.action,
        approval: request.id,
        run_id: origin.run_id.clone(),
    })
}

fn told(error: ApprovalError) -> Fault {
    match error {
        ApprovalError::Unknown(id) => BadInput {
            reason: "UNKNOWN_APPROVAL",
            field: "approval".to_owned(),
            message: format!("you have no request for approval `{id}`"),
        }
        .into(),
        other => Lacking::from(other).into(),
    }
}

impl Answer for Output {
    fn in_words(&self) -> Vec<InWords> {
        vec![InWords { title: "result", fields: &["result"], text: self.in_words.clone() }]
    }

    fn is_error(&self) -> bool {
        self.failed
    }

    fn headline(&self) -> String {
        match (self.state, self.result.is_some()) {
            ("pending", _) => {
                format!("the request {} waits for {} more to agree", self.approval, self.missing)
            }
            ("approved" | "used", false) if self.is_worked_on => {
                format!("people agreed to the request {}; it is being done", self.approval)
            }
            ("approved", false) => format!(
                "people agreed to the request {}: make the same call again, and it is done",
                self.approval
            ),
            ("used", false) => {
                format!("the request {} was used; its result is not kept here", self.approval)
            }
            (state, _) => format!("the request {} is {state}", self.approval),
        }
    }
}
