//! Every way in which a call can fail, and the one place that gives each its MCP
//! face: a tool result marked as error, with the same words in text and in
//! `structuredContent.error`. The reason is also what the record says.

use cofferdam_journal::{AppendError, Ending};
use rmcp::model::{CallToolResponse, CallToolResult};
use serde_json::{Value, json};

use crate::admission::Busy;
use crate::consent::Lacking;
use crate::decide;
use crate::hosts::{CheckedReceipt, Held, HostError, Refused};
use crate::input::BadInput;
use crate::result::present_error;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The arguments are wrong.
    #[error(transparent)]
    Input(#[from] BadInput),
    /// Too much is under way.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The rules refuse.
    #[error(transparent)]
    Refused(#[from] Box<decide::Refused>),
    /// People have not agreed.
    #[error(transparent)]
    Consent(#[from] Lacking),
    /// Nothing may happen that cannot be recorded.
    #[error("nothing was done, because it cannot be recorded: {0}")]
    Unrecorded(#[source] AppendError),
    /// It was done, and the record of it may not last.
    #[error("it was done, but the result is withheld because its record may not last: {0}")]
    Undurable(#[source] AppendError),
    /// The host did not do it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A mistake in this program.
    #[error("the gateway failed at this call: {0}; tell its owner")]
    Internal(String),
}

impl Fault {
    /// A stable word.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Input(bad) => bad.reason,
            Self::Busy(_) => "BUSY",
            Self::Refused(_) => "DENIED",
            Self::Consent(lacking) => lacking.reason(),
            Self::Unrecorded(_) | Self::Undurable(_) => "JOURNAL_FAILED",
            Self::Host(error) => error.reason(),
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// How the record of a run or operation says that it failed.
    pub(crate) fn ending(&self) -> Ending {
        match self {
            // Nobody knows what the host did, or how it ended.
            Self::Host(
                HostError::Timeout { .. }
                | HostError::Cancelled { .. }
                | HostError::Broken { .. }
                | HostError::Lost { .. }
                | HostError::Held(Held::Cut { .. }),
            )
            | Self::Internal(_) => Ending::Lost { reason: self.to_string() },
            // In the host's own words, as its journal has them.
            Self::Host(HostError::Refused(refused)) => {
                Ending::Failed { reason: refused.reason.clone(), detail: refused.message.clone() }
            }
            other => {
                Ending::Failed { reason: other.reason().to_owned(), detail: other.to_string() }
            }
        }
    }

    /// The host's word for the failure, where it gave one.
    pub(crate) fn receipt(&self) -> Option<CheckedReceipt> {
        match self {
            Self::Host(HostError::Refused(refused)) => refused.receipt.clone(),
            _ => None,
        }
    }

    /// What the caller gets: a question, where whoever sits there is to answer
    /// one, and else words.
    pub(crate) fn respond(&self, run_id: &str) -> CallToolResponse {
        match self {
            Self::Consent(Lacking::Turn { asks, .. }) => (**asks).clone().into(),
            other => other.present(run_id).into(),
        }
    }

    /// What the caller sees.
    pub(crate) fn present(&self, run_id: &str) -> CallToolResult {
        present_error(&self.to_string(), &self.told(run_id))
    }

    /// All that is told of it: the same in results of tools and in errors of the protocol.
    pub(crate) fn told(&self, run_id: &str) -> Value {
        let mut error = json!({
            "reason": self.reason(),
            "message": self.to_string(),
            "run_id": run_id,
        });
        if let Self::Refused(refused) = self {
            error["ask"] = json!(refused.how_to_ask(run_id));
        }
        for (key, value) in self.details() {
            error[key] = value;
        }
        error
    }

    fn details(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Input(bad) if !bad.field.is_empty() => vec![("field", json!(bad.field))],
            Self::Refused(refused) => {
                vec![("rules", json!(refused.rules)), ("allowed", json!(refused.allowed))]
            }
            Self::Consent(lacking) => lacking.details(),
            Self::Host(error) => host_details(error),
            _ => Vec::new(),
        }
    }
}

fn host_details(error: &HostError) -> Vec<(&'static str, Value)> {
    match error {
        HostError::Refused(refused) => {
            let Refused { host, reason: _, message: _, rule, field, kept, receipt: _ } = &**refused;
            let mut details = vec![("host", json!(host))];
            details.extend(rule.as_ref().map(|rule| ("rules", json!([rule]))));
            details.extend(field.as_ref().map(|field| ("field", json!(field))));
            details.extend(kept.map(|kept| ("kept", json!(kept))));
            details
        }
        HostError::Held(held) => vec![("host", json!(held.host()))],
        HostError::Unreachable { host, .. }
        | HostError::Broken { host, .. }
        | HostError::Lost { host, .. }
        | HostError::Receipt { host, .. }
        | HostError::Incomplete { host, .. }
        | HostError::Timeout { host, .. }
        | HostError::Cancelled { host } => vec![("host", json!(host))],
    }
}
