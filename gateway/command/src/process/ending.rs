//! How a run ended, as a shell would say it.
//!
//! The exit codes are those of env(1), timeout(1) and sh(1): the run's own; 124 where
//! its time was over; 125 where nobody knows, or nobody could be asked; 126 where it was
//! refused or could not be started; 128 and the signal's number where one ended it.

use serde_json::Value;

/// The exit code where there is no answer, as env(1) has it.
pub(crate) const NO_ANSWER: u8 = 125;
/// As timeout(1) has it.
const TIMED_OUT: u8 = 124;
/// As a shell has it for what cannot be executed.
const REFUSED: u8 = 126;
/// What a shell adds to a signal's number.
pub(crate) const SIGNALLED: u8 = 128;

/// What is told in the help of each command that has these codes.
pub(crate) const CODES: &str = "\
Exit codes: that of the run; 124: its time was over; 125: the gateway could not be
asked, or what became of the run is not known; 126: it was refused, or could not be
started; 128 and more: a signal ended it (130: ctrl-c, 137: killed, also for its memory
or output, 143: asked to end).";

/// The exit code of an outcome; none: it goes on.
pub(crate) fn code(outcome: &Value) -> Option<u8> {
    Some(match outcome["kind"].as_str()? {
        "exited" => {
            outcome["code"].as_u64().and_then(|code| u8::try_from(code).ok()).unwrap_or(NO_ANSWER)
        }
        "signalled" => of_signal(outcome["signal"].as_str().unwrap_or_default()),
        "timed_out" => TIMED_OUT,
        "failed_to_start" | "denied_by_sandbox" => REFUSED,
        // Its whole tree was killed.
        "out_of_memory" | "limit_hit" | "cancelled" => of_signal("SIGKILL"),
        "running" => return None,
        _ => NO_ANSWER,
    })
}

/// The exit code of a call that got no outcome.
pub(crate) fn of_refusal(reason: &str) -> u8 {
    match reason {
        "DENIED" | "APPROVAL_NEEDED" => REFUSED,
        _ => NO_ANSWER,
    }
}

/// What a shell's `$?` would be: 128 and the number of the signal(7).
fn of_signal(name: &str) -> u8 {
    const SIGNALS: [(&str, u8); 15] = [
        ("SIGHUP", 1),
        ("SIGINT", 2),
        ("SIGQUIT", 3),
        ("SIGILL", 4),
        ("SIGTRAP", 5),
        ("SIGABRT", 6),
        ("SIGBUS", 7),
        ("SIGFPE", 8),
        ("SIGKILL", 9),
        ("SIGSEGV", 11),
        ("SIGPIPE", 13),
        ("SIGALRM", 14),
        ("SIGTERM", 15),
        ("SIGXCPU", 24),
        ("SIGSYS", 31),
    ];
    let number = SIGNALS.iter().find(|(known, _)| *known == name).map_or(0, |(_, number)| *number);
    SIGNALLED + number
}

/// An outcome in words, one line; none: it exited by itself.
pub(crate) fn in_words(outcome: &Value) -> Option<String> {
    let kind = outcome["kind"].as_str().filter(|kind| *kind != "exited")?;
    let detail = outcome["detail"].as_str().unwrap_or_default();
    let told = format!("{}: {detail}", kind.replace('_', " "));
    Some(told.trim_end_matches([':', ' ']).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_exit_code_is_what_a_shell_would_say() {
        for (outcome, expected) in [
            (json!({ "kind": "exited", "code": 0 }), Some(0)),
            (json!({ "kind": "exited", "code": 3 }), Some(3)),
            (json!({ "kind": "exited", "code": 300 }), Some(125)),
            (json!({ "kind": "signalled", "signal": "SIGSEGV" }), Some(139)),
            (json!({ "kind": "signalled", "signal": "SIGINT" }), Some(130)),
            (json!({ "kind": "timed_out" }), Some(124)),
            (json!({ "kind": "out_of_memory" }), Some(137)),
            (json!({ "kind": "limit_hit" }), Some(137)),
            (json!({ "kind": "cancelled" }), Some(137)),
            (json!({ "kind": "failed_to_start" }), Some(126)),
            (json!({ "kind": "denied_by_sandbox" }), Some(126)),
            (json!({ "kind": "lost" }), Some(125)),
            (json!({ "kind": "running" }), None),
            (json!(null), None),
        ] {
            assert_eq!(code(&outcome), expected, "{outcome}");
        }
    }

    #[test]
    fn a_refusal_is_told_from_a_failure() {
        assert_eq!(of_refusal("DENIED"), 126);
        assert_eq!(of_refusal("APPROVAL_NEEDED"), 126);
        assert_eq!(of_refusal("HOST_UNREACHABLE"), 125);
    }

    #[test]
    fn an_ending_is_told_in_words_but_for_an_exit() {
        assert_eq!(in_words(&json!({ "kind": "exited", "code": 1 })), None);
        let told = in_words(&json!({ "kind": "timed_out", "detail": "ended after its 50 ms" }));
        assert_eq!(told.unwrap(), "timed out: ended after its 50 ms");
        assert_eq!(in_words(&json!({ "kind": "lost" })).unwrap(), "lost");
    }
}
