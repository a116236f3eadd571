//! Why a request did not become a call, and how its sender is told: one HTTP
//! status, one JSON-RPC error object, one reason for records.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;

use super::ProtocolBody;
use super::fair::TooMuch;
use super::sessions::SessionsError;
use super::subscriptions::TooMany;
use crate::tokens::Unauthenticated;

/// JSON-RPC 2.0: «Invalid JSON was received».
const PARSE_ERROR: i32 = -32700;
/// JSON-RPC 2.0: «The JSON sent is not a valid Request object».
const INVALID_REQUEST: i32 = -32600;

/// Why a request was refused before it was a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "no bearer token; send `Authorization: Bearer cfd_…` with a token from `cofferdam token \
         create`"
    )]
    NoToken,
    /// The caller learns less than the record says.
    #[error("{0}")]
    Token(#[from] Unauthenticated),
    #[error("the session is unknown, has ended, or belongs to another token; initialize a new one")]
    UnknownSession,
    #[error(transparent)]
    Sessions(#[from] SessionsError),
    #[error(transparent)]
    Subscriptions(#[from] TooMany),
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    #[error("the request has more than {limit} bytes, which is the limit; send less at once")]
    TooLarge { limit: usize },
    #[error("the request's body broke off: {0}")]
    BodyBroken(String),
    #[error("the request is not JSON: {0}")]
    MalformedJson(String),
    #[error("{message}")]
    Protocol { status: StatusCode, message: String, body: Bytes },
}

impl Refusal {
    /// Takes a refusal of the protocol layer, whose bodies are short.
    pub(super) async fn from_protocol(status: StatusCode, body: ProtocolBody) -> Self {
        let body = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(never) => match never {},
        };
        // The SDK says 415 for JSON that is not a JSON-RPC message.
        let (status, message) = match (status, String::from_utf8_lossy(&body)) {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, text) if text.starts_with("fail to deserialize") => (
                StatusCode::BAD_REQUEST,
                "the body is JSON and not one JSON-RPC 2.0 message; a call is {\"jsonrpc\":\"2.0\",\
                 \"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":…,\"arguments\":{…}}}"
                    .to_owned(),
            ),
            (status, text) => (status, text.into_owned()),
        };
        Self::Protocol { status, message, body }
    }

    /// The body that the protocol layer had made.
    pub(super) fn into_protocol_body(self) -> Body {
        match self {
            Self::Protocol { body, .. } => Body::from(body),
            other => Body::from(other.to_string()),
        }
    }

    /// A stable word for records.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoToken | Self::Token(_) => "UNAUTHENTICATED",
            Self::UnknownSession => "UNKNOWN_SESSION",
            Self::Sessions(_) => "TOO_MANY_SESSIONS",
            Self::Subscriptions(_) => "TOO_MANY_STREAMS",
            Self::TooMuch(TooMuch::Bytes(_)) => "TOO_MANY_BYTES",
            Self::TooMuch(TooMuch::Requests(_)) => "TOO_MANY_REQUESTS",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::BodyBroken(_) => "BODY_BROKEN",
            Self::MalformedJson(_) => "MALFORMED_JSON",
            Self::Protocol { status, .. } if *status == StatusCode::FORBIDDEN => "FOREIGN_ORIGIN",
            Self::Protocol { .. } => "PROTOCOL",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Token(Unauthenticated::Store(_)) | Self::Sessions(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Subscriptions(_) | Self::TooMuch(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoToken | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::UnknownSession => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyBroken(_) | Self::MalformedJson(_) => StatusCode::BAD_REQUEST,
            Self::Protocol { status, .. } => *status,
        }
    }

    /// What the sender is told. Why a token is not taken is for records only.
    fn message(&self) -> String {
        match self {
            Self::Token(Unauthenticated::Store(_)) => {
                "the gateway cannot check tokens now; try again later".to_owned()
            }
            Self::Token(_) => "the bearer token is not valid; ask for a new one (`cofferdam token \
                 create`)"
                .to_owned(),
            other => other.to_string(),
        }
    }

    pub(super) fn to_response(&self) -> Response {
        let code = match self {
            Self::MalformedJson(_) => PARSE_ERROR,
            _ => INVALID_REQUEST,
        };
        let error = json!({
            "jsonrpc": "2.0",
            "id": null,
            "error": {
                "code": code,
                "message": self.message(),
                "data": { "reason": self.reason() },
            },
        });
        let mut response = (self.status(), axum::Json(error)).into_response();
        if let Some((name, value)) = self.extra_header() {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// The same for those who speak no JSON-RPC.
    pub(super) fn to_plain_response(&self) -> Response {
        let error = json!({ "error": { "reason": self.reason(), "message": self.message() } });
        let mut response = (self.status(), axum::Json(error)).into_response();
        if let Some((name, value)) = self.extra_header() {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn extra_header(&self) -> Option<(HeaderName, &'static str)> {
        match (self.status(), self) {
            (StatusCode::UNAUTHORIZED, Self::NoToken) => {
                Some((header::WWW_AUTHENTICATE, "Bearer realm=\"cofferdam\""))
            }
            (StatusCode::UNAUTHORIZED, _) => Some((
                header::WWW_AUTHENTICATE,
                "Bearer realm=\"cofferdam\", error=\"invalid_token\"",
            )),
            (StatusCode::SERVICE_UNAVAILABLE, _) => Some((header::RETRY_AFTER, "5")),
            (_, Self::TooMuch(_)) => Some((header::RETRY_AFTER, "1")),
            _ => None,
        }
    }
}
