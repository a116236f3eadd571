//! The HTTP API that approvers answer by, beside the MCP endpoint:
//!
//! - `GET /approvals?state=pending`: the requests, newest first.
//! - `GET /approvals/ID`: one.
//! - `POST /approvals/ID` with `{"verdict": "approve" | "refuse", "binding":
//!   "…", "scope": "once" | "session", "note": "…"}`: an answer. `binding` is
//!   repeated from what was shown, so that nobody answers to something else.
//!
//! It takes an approver's token and no other; a browser has no business here. An
//! approver whose token names a tenant sees that tenant's requests only.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request as HttpRequest, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cofferdam_policy::Voter;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::bearer;
use super::body;
use crate::approvals::{ApprovalError, Request, Scope, State, Verdict, Vote, VoteFault, now};
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::tokens::{Purpose, TokenRecord, Unauthenticated};

/// Where requests for approval are.
pub const APPROVALS_PATH: &str = "/approvals";

/// Requests that one list holds.
const LISTED: usize = 500;
/// Bytes of an answer.
const MAX_BODY: usize = 16 * 1024;
/// Characters of a note.
const MAX_NOTE: usize = 1000;

/// The routes.
pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route(APPROVALS_PATH, get(list))
        .route(&format!("{APPROVALS_PATH}/{{id}}"), get(show).post(answer))
}

/// Why an approver gets no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(
        "no approver's token; make one with `cofferdam token create NAME --approver --user USER` \
         and send `Authorization: Bearer cfa_…`"
    )]
    NoToken,
    #[error("the token is no valid approver's token")]
    Token(#[from] Unauthenticated),
    #[error("requests with an `Origin` are refused: browsers have no business here")]
    Browser,
    #[error("the answer is not right: {0}")]
    Answer(String),
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    #[error("nothing was changed, because it cannot be recorded: {0}")]
    Record(String),
}

/// What an approver sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    verdict: Verdict,
    binding: String,
    #[serde(default = "once")]
    scope: Scope,
    #[serde(default)]
    note: String,
}

fn once() -> Scope {
    Scope::Once
}

async fn list(
    Shared(gateway): Shared<Arc<Gateway>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let who = approver(&gateway, &headers);
    answered(&gateway, who, |who| {
        let state = query.as_deref().map(wanted).transpose()?;
        let tenant = Some(who.tenant.as_str()).filter(|tenant| !tenant.is_empty());
        Ok(json!({ "approvals": gateway.approvals().list(state, tenant, LISTED)? }))
    })
}

fn wanted(query: &str) -> Result<State, Unanswered> {
    query.strip_prefix("state=").and_then(State::parse).ok_or_else(|| {
        let words = "the query is `state=` and one of pending, approved, refused, used, expired, \
                     withdrawn";
        Unanswered::Answer(words.to_owned())
    })
}

async fn show(
    Shared(gateway): Shared<Arc<Gateway>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let who = approver(&gateway, &headers);
    answered(&gateway, who, |who| Ok(json!({ "approval": visible(&gateway, &id, who)? })))
}

async fn answer(
    Shared(gateway): Shared<Arc<Gateway>>,
    Path(id): Path<String>,
    request: HttpRequest,
) -> Response {
    let (parts, body) = request.into_parts();
    // Who it is comes before what they send.
    let who = approver(&gateway, &parts.headers);
    let body = match &who {
        Ok(_) => body::read(&parts.headers, body, MAX_BODY).await,
        Err(_) => Ok(axum::body::Bytes::new()),
    };
    answered(&gateway, who, |who| {
        let body = body.map_err(|refusal| Unanswered::Answer(refusal.to_string()))?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|error| Unanswered::Answer(error.to_string()))?;
        Ok(json!({ "approval": vote(&gateway, &id, who, answer)? }))
    })
}

fn vote(
    gateway: &Gateway,
    id: &str,
    who: &TokenRecord,
    answer: Answer,
) -> Result<Request, Unanswered> {
    let Answer { verdict, binding, scope, note } = answer;
    if note.chars().count() > MAX_NOTE {
        return Err(Unanswered::Answer(format!("`note` has more than {MAX_NOTE} characters")));
    }
    if !gateway.recorder().is_writable() {
        return Err(Unanswered::Record("the journal cannot be written".to_owned()));
    }
    visible(gateway, id, who)?;
    let vote = Vote {
        voter: Voter { user: who.user.clone(), groups: who.groups.clone() },
        through: who.id.clone(),
        verdict,
        scope,
        note: note.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        at: now(),
    };
    gateway.vote(id, &binding, vote).map_err(|error| match error {
        VoteFault::Approval(error) => Unanswered::Approval(error),
        VoteFault::Record(fault) => Unanswered::Record(fault.to_string()),
    })
}

/// The request, where this approver may see it: one of a tenant sees that
/// tenant's, and of others no more than of those that never were.
fn visible(gateway: &Gateway, id: &str, who: &TokenRecord) -> Result<Request, ApprovalError> {
    let request = gateway.approvals().get(id)?;
    if who.tenant.is_empty() || request.question.asker.tenant == who.tenant {
        Ok(request)
    } else {
        Err(ApprovalError::Unknown(id.to_owned()))
    }
}

fn approver(gateway: &Gateway, headers: &HeaderMap) -> Result<TokenRecord, Unanswered> {
    if headers.contains_key(header::ORIGIN) {
        return Err(Unanswered::Browser);
    }
    let token = bearer(headers).ok_or(Unanswered::NoToken)?;
    Ok(gateway.tokens().authenticate_for(token, Purpose::Approver)?)
}

/// What cannot be answered is recorded as whose it is.
fn answered(
    gateway: &Gateway,
    who: Result<TokenRecord, Unanswered>,
    answer: impl FnOnce(&TokenRecord) -> Result<serde_json::Value, Unanswered>,
) -> Response {
    let (caller, answered) = match who {
        Ok(who) => {
            let answered = answer(&who);
            (Some(Caller::from(who)), answered)
        }
        Err(refusal) => (None, Err(refusal)),
    };
    match answered {
        Ok(value) => axum::Json(value).into_response(),
        Err(refusal) => {
            let (reason, told) = (refusal.reason(), refusal.to_string());
            gateway.recorder().refused_request(caller.as_ref(), reason, &refusal.detail());
            let error = json!({ "error": { "reason": reason, "message": told } });
            let mut response = (refusal.status(), axum::Json(error)).into_response();
            if refusal.status() == StatusCode::UNAUTHORIZED {
                let challenge = header::HeaderValue::from_static("Bearer realm=\"cofferdam\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response.map(Body::new)
        }
    }
}

impl Unanswered {
    fn reason(&self) -> &'static str {
        match self {
            Self::NoToken | Self::Token(_) => "UNAUTHENTICATED",
            Self::Browser => "FOREIGN_ORIGIN",
            Self::Answer(_) => "INVALID_ARGUMENT",
            Self::Approval(ApprovalError::Unknown(_)) => "UNKNOWN_APPROVAL",
            Self::Approval(ApprovalError::Over { .. }) => "APPROVAL_OVER",
            Self::Approval(ApprovalError::AnotherAction(_)) => "ANOTHER_ACTION",
            Self::Approval(ApprovalError::Uncounted(_)) => "NOT_AN_APPROVER_OF_THIS",
            Self::Approval(ApprovalError::Twice { .. }) => "ANSWERED_ALREADY",
            Self::Approval(_) => "APPROVAL_FAILED",
            Self::Record(_) => "JOURNAL_FAILED",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Token(Unauthenticated::Store(_)) | Self::Record(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::NoToken | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::Browser => StatusCode::FORBIDDEN,
            Self::Answer(_) => StatusCode::BAD_REQUEST,
            Self::Approval(error) => match error {
                ApprovalError::Unknown(_) => StatusCode::NOT_FOUND,
                ApprovalError::Uncounted(_) => StatusCode::FORBIDDEN,
                ApprovalError::Over { .. }
                | ApprovalError::AnotherAction(_)
                | ApprovalError::Twice { .. } => StatusCode::CONFLICT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
        }
    }

    /// For the record: why a token was not taken, too.
    fn detail(&self) -> String {
        match self {
            Self::Token(why) => why.to_string(),
            other => other.to_string(),
        }
    }
}
