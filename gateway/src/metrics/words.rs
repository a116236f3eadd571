//! The values of labels: each from a list that is fixed here or elsewhere in this
//! program.

use crate::admission::Busy;
use crate::consent::Lacking;
use crate::fault::Fault;
use crate::hosts::HostError;
use crate::tools;

/// Names for rules and records that no client is offered as a tool.
const OTHER_NAMES: [&str; 2] = ["download_file", "upload_file"];

/// The tool of this name; `other` for what is none.
pub(super) fn tool(name: &str) -> &'static str {
    let tools = tools::definitions().iter().map(|tool| &*tool.name);
    tools.chain(OTHER_NAMES).find(|known| *known == name).unwrap_or("other")
}

/// How a call ended of which nothing came.
pub(super) fn fault(fault: &Fault) -> &'static str {
    match fault {
        Fault::Input(_) => "bad_input",
        Fault::Busy(_) => "busy",
        Fault::Refused(_) => "denied",
        Fault::Consent(lacking) => match lacking {
            Lacking::Open { .. } | Lacking::Turn { .. } | Lacking::Stopping(_) => "asked",
            Lacking::Failed(_) => "failed",
            _ => "not_agreed",
        },
        Fault::Unrecorded(_) | Fault::Undurable(_) => "unrecorded",
        Fault::Host(error) => match error {
            HostError::Unreachable { .. } => "unreachable",
            HostError::Held(_) => "held_back",
            HostError::Refused(_) => "host_refused",
            HostError::Cancelled { .. } => "cancelled",
            HostError::Receipt { .. } => "bad_receipt",
            HostError::Broken { .. }
            | HostError::Lost { .. }
            | HostError::Incomplete { .. }
            | HostError::Timeout { .. } => "lost",
        },
        Fault::Internal(_) => "internal",
    }
}

/// Which limit kept a call from beginning.
pub(super) fn busy(busy: &Busy) -> &'static str {
    match busy {
        Busy::User(_) => "concurrent_calls_per_subject",
        Busy::Gateway(_) => "concurrent_calls",
    }
}

/// Which limit a request was refused at, as the configuration names it.
pub(super) fn limit(reason: &str) -> Option<&'static str> {
    match reason {
        "TOO_MANY_SESSIONS" => Some("sessions"),
        "TOO_MANY_STREAMS" => Some("streams"),
        "TOO_MANY_BYTES" => Some("body_bytes_per_subject"),
        "TOO_MANY_REQUESTS" => Some("requests_per_second_per_subject"),
        "TOO_LARGE" => Some("body_bytes"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_names_is_a_label_only_where_there_is_such_a_tool() {
        assert_eq!(tool("read_file"), "read_file");
        assert_eq!(tool("upload_file"), "upload_file");
        for name in ["", "READ_FILE", "rm -rf\"} 1\n", "read_file "] {
            assert_eq!(tool(name), "other");
        }
    }
}
