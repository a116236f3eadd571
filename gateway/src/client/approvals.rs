//! Asks a gateway what waits for people, and answers it, over HTTP.
//!
//! What comes back is bounded before it is read, and taken apart by the same
//! types that the gateway makes it from. `cofferdam approve` uses it.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ClientError, Endpoint};
use crate::approvals::{Question, Request, Scope, State, Verdict, Vote};
use crate::http::{APPROVALS_PATH, MCP_PATH};

/// The longest that the gateway may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// The requests for approval of one gateway.
#[derive(Debug)]
pub struct Approvals {
    client: reqwest::Client,
    endpoint: Endpoint,
    base: String,
}

/// An answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Yes or no.
    pub verdict: Verdict,
    /// What was shown to whoever answers; see [`Question::binding`].
    pub binding: String,
    /// For how much.
    pub scope: Scope,
    /// Said to whoever asked; empty: nothing.
    pub note: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalsError {
    /// The client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The URL leads nowhere known.
    #[error("`{0}` does not end in `{MCP_PATH}`; give the MCP URL of the gateway")]
    Url(String),
    /// The gateway does not answer.
    #[error("cannot reach the gateway at `{url}`: {source}; is it running, and is this its URL?")]
    Reach {
        /// The URL.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The gateway refuses.
    #[error("{message} ({reason})")]
    Refused {
        /// A stable word.
        reason: String,
        /// In words.
        message: String,
    },
    /// What answers is no gateway, or one of another version.
    #[error(
        "what answers at `{url}` (status {status}) is no gateway that this program knows: {why}"
    )]
    Strange {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What is odd.
        why: String,
    },
}

/// What the gateway says of one request besides the question.
#[derive(Deserialize)]
struct Standing {
    id: String,
    state: State,
    scope: Option<Scope>,
    created_at: u64,
    expires_at: u64,
    votes: Vec<Vote>,
}

const STANDING: [&str; 6] = ["id", "state", "scope", "created_at", "expires_at", "votes"];

impl Approvals {
    /// Of the gateway at this MCP endpoint; the token is an approver's.
    ///
    /// # Errors
    /// The URL is none of MCP, or the authorities cannot be read.
    pub fn new(endpoint: Endpoint) -> Result<Self, ApprovalsError> {
        let front = endpoint.url.strip_suffix(MCP_PATH);
        let front = front.ok_or_else(|| ApprovalsError::Url(endpoint.url.clone()))?;
        let base = format!("{front}{APPROVALS_PATH}");
        Ok(Self { client: endpoint.http_client()?, endpoint, base })
    }

    /// Requests, newest first: what waits, or all.
    ///
    /// # Errors
    /// The gateway does not say.
    pub async fn list(&self, all: bool) -> Result<Vec<Request>, ApprovalsError> {
        let url = if all { self.base.clone() } else { format!("{}?state=pending", self.base) };
        let told: Vec<Value> = self.ask(Method::GET, &url, "approvals", None).await?;
        told.iter().map(|value| Self::request(&url, value)).collect()
    }

    /// The request `id`.
    ///
    /// # Errors
    /// The gateway does not say, or knows none.
    pub async fn get(&self, id: &str) -> Result<Request, ApprovalsError> {
        let url = self.url(id)?;
        let told = self.ask(Method::GET, &url, "approval", None).await?;
        Self::request(&url, &told)
    }

    /// Answers the request `id`, and tells how it stands then.
    ///
    /// # Errors
    /// The answer does not count.
    pub async fn answer(&self, id: &str, answer: &Answer) -> Result<Request, ApprovalsError> {
        let url = self.url(id)?;
        let told = self.ask(Method::POST, &url, "approval", Some(answer)).await?;
        Self::request(&url, &told)
    }

    /// An id is letters, digits and hyphens, so that it is one segment of a path.
    fn url(&self, id: &str) -> Result<String, ApprovalsError> {
        let is_id = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_id {
            let message = format!(
                "`{}` is no id of a request; they look like ap-0123456789ab",
                id.escape_debug()
            );
            return Err(ApprovalsError::Refused { reason: "UNKNOWN_APPROVAL".into(), message });
        }
        Ok(format!("{}/{id}", self.base))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &str,
        member: &str,
        body: Option<&Answer>,
    ) -> Result<T, ApprovalsError> {
        let unreachable = |source| ApprovalsError::Reach { url: url.to_owned(), source };
        let mut request = self.client.request(method, url).timeout(PATIENCE);
        request = request.bearer_auth(self.endpoint.token.as_str());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let strange = |why: String| ApprovalsError::Strange {
            url: url.to_owned(),
            status: status.as_u16(),
            why,
        };
        let bytes = bounded(response).await.map_err(unreachable)?;
        let bytes =
            bytes.ok_or_else(|| strange(format!("it says more than {MAX_ANSWER} bytes")))?;
        let mut told: Map<String, Value> = serde_json::from_slice(&bytes)
            .map_err(|error| strange(format!("it does not speak JSON: {error}")))?;
        if status != StatusCode::OK {
            return Err(refusal(&told).unwrap_or_else(|| strange("it gives no reason".to_owned())));
        }
        let told = told.remove(member).ok_or_else(|| strange(format!("`{member}` is missing")))?;
        serde_json::from_value(told).map_err(|error| strange(error.to_string()))
    }

    /// A request out of what the gateway says. What this program does not know
    /// could not be shown to whoever agrees, and is an error.
    fn request(url: &str, told: &Value) -> Result<Request, ApprovalsError> {
        let parsed = || -> Result<Request, serde_json::Error> {
            let standing: Standing = Standing::deserialize(told)?;
            let mut rest = told.as_object().cloned().unwrap_or_default();
            rest.retain(|key, _| !STANDING.contains(&key.as_str()));
            let question: Question = serde_json::from_value(Value::Object(rest))?;
            let Standing { id, state, scope, created_at, expires_at, votes } = standing;
            Ok(Request { id, state, scope, created_at, expires_at, votes, question })
        };
        parsed().map_err(|error| ApprovalsError::Strange {
            url: url.to_owned(),
            status: 200,
            why: error.to_string(),
        })
    }
}

fn refusal(told: &Map<String, Value>) -> Option<ApprovalsError> {
    let word = |key: &str| told.get("error")?.get(key)?.as_str().map(str::to_owned);
    Some(ApprovalsError::Refused { reason: word("reason")?, message: word("message")? })
}

/// The whole body; none: it is too long.
async fn bounded(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > MAX_ANSWER - bytes.len() {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}
