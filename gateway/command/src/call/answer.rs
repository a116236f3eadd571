//! What a call came to: for a person as a shell would show it, for a script as
//! the structured answer; and the exit code either way.

use std::io::{self, Write};
use std::process::ExitCode;

use cofferdam_gateway::client::CallToolResult;
use serde_json::Value;

use super::{NO_ANSWER, met};
use crate::report::{Format, complain, write_json};

/// As timeout(1) has it.
const TIMED_OUT: u8 = 124;
/// As a shell has it for what cannot be executed.
const REFUSED: u8 = 126;
/// What a shell adds to a signal's number.
const SIGNALLED: u8 = 128;

/// Shows the answer.
pub(super) fn show(result: &CallToolResult, format: Format) -> ExitCode {
    let code = exit_code(result);
    let shown = match format {
        Format::Json => write_json(&mut io::stdout().lock(), &structured(result)),
        Format::Human => show_in_words(result),
    };
    match shown {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("cofferdam: cannot write the answer: {error}"));
            ExitCode::from(NO_ANSWER)
        }
        _ => ExitCode::from(code),
    }
}

/// Why a call was refused, in words.
pub(super) fn refusal(result: &CallToolResult) -> String {
    let told = result.structured_content.as_ref();
    match told.and_then(|value| value["error"]["message"].as_str()) {
        Some(message) => message.to_owned(),
        None => text(result),
    }
}

/// A stranger's line without control characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn structured(result: &CallToolResult) -> Value {
    match &result.structured_content {
        Some(value) => value.clone(),
        None => serde_json::json!({ "text": text(result) }),
    }
}

fn text(result: &CallToolResult) -> String {
    let blocks = result.content.iter().filter_map(|block| block.as_text());
    blocks.map(|block| block.text.as_str()).collect::<Vec<_>>().join("\n")
}

fn show_in_words(result: &CallToolResult) -> io::Result<()> {
    let none = Value::Null;
    let told = result.structured_content.as_ref().unwrap_or(&none);
    let mut out = io::stdout().lock();
    match (&told["outcome"]["kind"], &told["stdout"], &told["stderr"]) {
        (Value::String(kind), Value::String(stdout), Value::String(stderr)) => {
            out.write_all(stdout.as_bytes())?;
            out.flush()?;
            io::stderr().write_all(stderr.as_bytes())?;
            if kind != "exited" {
                let detail = told["outcome"]["detail"].as_str().or(told["read_on"].as_str());
                let detail = detail.unwrap_or_default();
                complain(&format!("cofferdam: {}: {}", kind.replace('_', " "), plain(detail)));
            }
            for line in met::lines(told) {
                complain(&line);
            }
            Ok(())
        }
        _ if result.is_error == Some(true) => {
            complain(&format!("cofferdam: {}", refusal(result)));
            Ok(())
        }
        _ => {
            out.write_all(text(result).as_bytes())?;
            out.flush()
        }
    }
}

fn exit_code(result: &CallToolResult) -> u8 {
    let none = Value::Null;
    let told = result.structured_content.as_ref().unwrap_or(&none);
    let outcome = &told["outcome"];
    match outcome["kind"].as_str() {
        Some("exited") => {
            outcome["code"].as_u64().and_then(|code| u8::try_from(code).ok()).unwrap_or(NO_ANSWER)
        }
        Some("signalled") => signal_code(outcome["signal"].as_str().unwrap_or_default()),
        Some("timed_out") => TIMED_OUT,
        Some("failed_to_start" | "denied_by_sandbox") => REFUSED,
        Some("out_of_memory" | "limit_hit") => signal_code("SIGKILL"),
        // It goes on, as was asked for.
        Some("running") => 0,
        Some(_) => NO_ANSWER,
        None if result.is_error == Some(true) => match told["error"]["reason"].as_str() {
            Some("DENIED" | "APPROVAL_NEEDED") => REFUSED,
            _ => NO_ANSWER,
        },
        None => 0,
    }
}

/// What a shell's `$?` would be: 128 and the number of the signal(7).
fn signal_code(name: &str) -> u8 {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(structured: Value, is_error: bool) -> u8 {
        let mut result = CallToolResult::success(Vec::new());
        result.is_error = Some(is_error);
        result.structured_content = Some(structured);
        exit_code(&result)
    }

    #[test]
    fn the_exit_code_is_what_a_shell_would_say() {
        let ended = |outcome: Value| code(json!({ "outcome": outcome }), true);
        assert_eq!(ended(json!({ "kind": "exited", "code": 0 })), 0);
        assert_eq!(ended(json!({ "kind": "exited", "code": 3 })), 3);
        assert_eq!(ended(json!({ "kind": "signalled", "signal": "SIGSEGV" })), 139);
        assert_eq!(ended(json!({ "kind": "timed_out" })), 124);
        assert_eq!(ended(json!({ "kind": "out_of_memory" })), 137);
        assert_eq!(ended(json!({ "kind": "failed_to_start" })), 126);
        assert_eq!(ended(json!({ "kind": "lost" })), 125);
        assert_eq!(ended(json!({ "kind": "running" })), 0);
    }

    #[test]
    fn a_refusal_is_told_from_a_failure() {
        let refused = |reason: &str| code(json!({ "error": { "reason": reason } }), true);
        assert_eq!(refused("DENIED"), 126);
        assert_eq!(refused("HOST_UNREACHABLE"), 125);
        assert_eq!(code(json!({ "path": "a" }), false), 0);
    }

    #[test]
    fn control_characters_of_strangers_are_not_passed_on() {
        assert_eq!(plain("a\u{1b}[2J\nb"), "a\u{fffd}[2J\u{fffd}b");
    }
}
