//! Why a host did not do what it was asked, read from gRPC statuses and their
//! google.rpc details.

use std::error::Error;

use cofferdam_trust::SignatureError;
use tonic::{Code, ConnectError, Status};
use tonic_types::StatusExt;

use super::held::Held;
use super::receipt::CheckedReceipt;
use crate::line::one_line;

/// What a host calls it, and records and callers are told, where nobody knows what a
/// call came to.
const OUTCOME_LOST: &str = "OUTCOME_LOST";
/// Characters of a host's reason for that.
const REASON: usize = 1024;

/// Why a host did not act, or why what it said is not believed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum HostError {
    /// It does not answer.
    #[error(
        "the host `{host}` cannot be reached: {reason}; nothing was done there. Check that its \
         agent runs (`systemctl status cofferdam-agent` on the host), or name another host: \
         list_hosts shows all"
    )]
    Unreachable {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// The connection broke after it was asked.
    #[error(
        "the connection to the host `{host}` broke before it answered: {reason}; the action may \
         have been done, in part or completely"
    )]
    Broken {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// It answered, and did not do it.
    #[error("the host `{}` answers: {}", .0.host, .0.message)]
    Refused(Box<Refused>),
    /// Its receipt is missing or does not prove what it should.
    #[error(
        "the host `{host}` did what was asked, and its receipt is not right: {reason}; the result \
         is withheld. Tell the gateway's owner: the host's signing key may have changed"
    )]
    Receipt {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// It says itself that nobody knows what it came to, and so proves nothing. That is
    /// no more than a connection that breaks says.
    #[error(
        "the host `{host}` does not know what it came to: {reason}; it may have been done, in part \
         or completely"
    )]
    Lost {
        /// The host.
        host: String,
        /// Why, in its words: one line.
        reason: String,
    },
    /// It answered something that means nothing.
    #[error("the host `{host}` answered without {missing}; its agent may be of another version")]
    Incomplete {
        /// The host.
        host: String,
        /// What is missing.
        missing: &'static str,
    },
    /// It did not answer in time.
    #[error("the host `{host}` did not answer within {seconds} s; the action may have been done")]
    Timeout {
        /// The host.
        host: String,
        /// How long it had.
        seconds: u64,
    },
    /// Somebody holds it back, whatever the rules say.
    #[error(transparent)]
    Held(Held),
    /// The caller went away first.
    #[error("the call was cancelled before the host `{host}` answered; it may have been done")]
    Cancelled {
        /// The host.
        host: String,
    },
}

/// What a host says that did not do what it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    /// The host.
    pub(crate) host: String,
    /// A stable word, from ErrorInfo or the status code.
    pub(crate) reason: String,
    /// What it said.
    pub(crate) message: String,
    /// The rule or ceiling key that it named.
    pub(crate) rule: Option<String>,
    /// The field that it found wrong.
    pub(crate) field: Option<String>,
    /// Bytes that it keeps of an upload that broke off.
    pub(crate) kept: Option<u64>,
    /// Its word for what it recorded.
    pub(crate) receipt: Option<CheckedReceipt>,
}

impl HostError {
    /// Reads a status.
    pub(super) fn from_status(host: &str, status: &Status) -> Self {
        let host = host.to_owned();
        match fate(status) {
            Fate::NotConnected => return Self::Unreachable { host, reason: reason_of(status) },
            Fate::Broken => return Self::Broken { host, reason: reason_of(status) },
            Fate::Held => {
                if let Some(held) = held(status) {
                    return Self::Held(held.clone());
                }
            }
            Fate::Answered => {}
        }
        let details = status.get_error_details();
        let info = details.error_info();
        let reason = match info {
            Some(info) if !info.reason.is_empty() => info.reason.clone(),
            _ => code_word(status.code()).to_owned(),
        };
        let rule = info.and_then(|info| info.metadata.get("rule").cloned());
        let kept = info.and_then(|info| info.metadata.get("kept")?.parse().ok());
        let field = details
            .bad_request()
            .and_then(|bad| bad.field_violations.first())
            .map(|violation| violation.field.clone());
        if reason == OUTCOME_LOST {
            return Self::lost(&host, status.message());
        }
        let message = status.message().to_owned();
        Self::Refused(Box::new(Refused { host, reason, message, rule, field, kept, receipt: None }))
    }

    /// What a host says that lost sight of what it was asked.
    pub(super) fn lost(host: &str, reason: &str) -> Self {
        Self::Lost { host: host.to_owned(), reason: one_line(reason, REASON) }
    }

    pub(super) fn from_signature(host: &str, error: &SignatureError) -> Self {
        Self::Receipt { host: host.to_owned(), reason: error.to_string() }
    }

    /// A stable word for records and callers.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "HOST_UNREACHABLE",
            Self::Broken { .. } => "CONNECTION_BROKEN",
            Self::Refused(refused) => &refused.reason,
            Self::Receipt { .. } => "BAD_RECEIPT",
            Self::Lost { .. } => OUTCOME_LOST,
            Self::Incomplete { .. } => "INCOMPLETE_ANSWER",
            Self::Timeout { .. } => "HOST_TIMEOUT",
            Self::Held(held) => held.reason(),
            Self::Cancelled { .. } => "CANCELLED",
        }
    }
}

/// What became of a request that has no good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The host answered.
    Answered,
    /// It never got there.
    NotConnected,
    /// The connection broke while it was under way.
    Broken,
    /// This gateway held it back, or ended it.
    Held,
}

/// Statuses that this side makes, because the connection failed, have a cause;
/// those that came from the host have none.
pub(super) fn fate(status: &Status) -> Fate {
    let mut cause = status.source();
    if cause.is_none() {
        return Fate::Answered;
    }
    while let Some(inner) = cause {
        if inner.is::<Held>() {
            return Fate::Held;
        }
        if inner.is::<ConnectError>() {
            return Fate::NotConnected;
        }
        cause = inner.source();
    }
    Fate::Broken
}

/// What held it back.
fn held(status: &Status) -> Option<&Held> {
    let mut cause = status.source();
    while let Some(inner) = cause {
        if let Some(held) = inner.downcast_ref() {
            return Some(held);
        }
        cause = inner.source();
    }
    None
}

/// The innermost cause, which names what happened («connection refused»).
pub(super) fn reason_of(status: &Status) -> String {
    let mut cause: &dyn Error = status;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.to_string() {
        text if text.is_empty() => status.message().to_owned(),
        text => text,
    }
}

fn code_word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
