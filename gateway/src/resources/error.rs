//! How a failure looks where there is no result of a tool to tell it: an error of the
//! protocol, with the same words and the same object as the tool's result has.

use rmcp::model::{ErrorCode, ErrorData};
use serde_json::json;

use super::uri::UriError;
use crate::fault::Fault;
use crate::hosts::HostError;
use crate::input::BadInput;

/// The rules, people, or the host's owner refuse. The protocol keeps -32000 to -32019
/// for implementations.
const REFUSED: ErrorCode = ErrorCode(-32003);

/// What whoever asked for `uri` is told, for the call of this id.
pub(crate) fn told(fault: &Fault, run_id: &str, uri: &str) -> ErrorData {
    let mut data = fault.told(run_id);
    data["uri"] = json!(uri);
    ErrorData::new(code(fault), fault.to_string(), Some(data))
}

fn code(fault: &Fault) -> ErrorCode {
    match fault {
        Fault::Input(bad) => match bad.reason {
            // The SDK tells newer clients so by the code that they know.
            "UNKNOWN_HOST" | "UNKNOWN_PROJECT" | "UNKNOWN_PROCESS" | "UNKNOWN_RESOURCE" => {
                ErrorCode::RESOURCE_NOT_FOUND
            }
            _ => ErrorCode::INVALID_PARAMS,
        },
        Fault::Refused(_) | Fault::Consent(_) => REFUSED,
        Fault::Host(HostError::Refused(refused)) => match refused.reason.as_str() {
            "FILE_NOT_FOUND" | "RUN_UNKNOWN" => ErrorCode::RESOURCE_NOT_FOUND,
            "FILE_WRONG_KIND" | "FILE_TOO_LARGE" | "FILE_INVALID" => ErrorCode::INVALID_PARAMS,
            "FILE_PERMISSION_DENIED" | "ABOVE_CEILING" | "PROFILE_UNKNOWN" => REFUSED,
            _ => ErrorCode::INTERNAL_ERROR,
        },
        _ => ErrorCode::INTERNAL_ERROR,
    }
}

impl From<UriError> for Fault {
    fn from(error: UriError) -> Self {
        let (field, message) = ("uri".to_owned(), error.to_string());
        BadInput { reason: "UNKNOWN_RESOURCE", field, message }.into()
    }
}
