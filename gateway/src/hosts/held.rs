//! Why something is not sent to a host, although the rules permit it: somebody holds
//! the host back.

use crate::holds::{HeldBack, Since};

/// Calls that start a run.
const STARTS: &str = "/cofferdam.exec.v1.ExecService/StartRun";
/// The one call that a frozen host still gets: it ends what nobody waits for.
const ENDS: &str = "/cofferdam.exec.v1.ExecService/CancelRun";

/// Why nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Held {
    /// No further runs.
    #[error(
        "the host `{host}` takes no further runs{since}; what runs there goes on. Use another \
         host, or have its gateway's owner say `cofferdam host undrain {host}`"
    )]
    Drained {
        /// The host.
        host: String,
        /// By whom, when and why.
        since: Since,
    },
    /// No calls.
    #[error(
        "the host `{host}` is frozen{since}: no call is sent there. Use another host, or have its \
         gateway's owner say `cofferdam host unfreeze {host}`"
    )]
    Frozen {
        /// The host.
        host: String,
        /// By whom, when and why.
        since: Since,
    },
    /// Not believed any more.
    #[error("the host `{host}` is revoked: nothing is sent there, and nothing believed from there")]
    Revoked {
        /// The host.
        host: String,
    },
    /// Not believed any more from the middle of an answer on.
    #[error(
        "the host `{host}` was revoked while it worked at this; how it ended there is not known"
    )]
    Cut {
        /// The host.
        host: String,
    },
}

impl Held {
    /// A stable word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Drained { .. } => "HOST_DRAINED",
            Self::Frozen { .. } => "HOST_FROZEN",
            Self::Revoked { .. } | Self::Cut { .. } => "HOST_REVOKED",
        }
    }

    /// The host.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Drained { host, .. }
            | Self::Frozen { host, .. }
            | Self::Revoked { host }
            | Self::Cut { host } => host,
        }
    }
}

/// What holds back a call to the RPC `path` of a host that is held back like this.
pub(super) fn holds(host: &str, held_back: HeldBack, path: &str) -> Option<Held> {
    let host = host.to_owned();
    match held_back {
        HeldBack { frozen: Some(since), .. } if path != ENDS => Some(Held::Frozen { host, since }),
        HeldBack { drained: Some(since), .. } if path == STARTS => {
            Some(Held::Drained { host, since })
        }
        HeldBack { .. } => None,
    }
}

/// The same for a whole call of a tool, before it is recorded as an intent.
pub(super) fn holds_tool(host: &str, held_back: HeldBack, tool: &str) -> Option<Held> {
    let starts = matches!(tool, "execute_command" | "start_process");
    holds(host, held_back, if starts { STARTS } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drained_host_gets_no_run_and_a_frozen_one_nothing_but_ends() {
        let since = Since { at: 0, by: "root".to_owned(), reason: "new disks".to_owned() };
        let drained = HeldBack { drained: Some(since.clone()), frozen: None };
        let frozen = HeldBack { drained: None, frozen: Some(since) };
        let read = "/cofferdam.file.v1.FileService/ReadFile";
        assert!(holds("a", drained.clone(), STARTS).is_some());
        assert_eq!(holds("a", drained.clone(), read), None);
        assert!(holds_tool("a", drained.clone(), "start_process").is_some());
        assert_eq!(holds_tool("a", drained, "read_process"), None);
        assert_eq!(holds("a", frozen.clone(), ENDS), None);
        let held = holds_tool("a", frozen, "read_process").unwrap();
        let words = held.to_string();
        assert!(words.contains("new disks") && words.contains("unfreeze a"), "{words}");
        assert_eq!(holds("a", HeldBack::default(), STARTS), None);
    }
}
