//! What a call came to: for a person as a shell would show it, for a script as
//! the structured answer; and the exit code either way.

use std::io::{self, Write};
use std::process::ExitCode;

use cofferdam_gateway::client::CallToolResult;
use serde_json::Value;

use super::{NO_ANSWER, met};
use crate::process::ending;
use crate::report::{Format, complain, write_json};

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
pub(crate) fn refusal(result: &CallToolResult) -> String {
    let told = result.structured_content.as_ref();
    match told.and_then(|value| value["error"]["message"].as_str()) {
        Some(message) => message.to_owned(),
        None => text(result),
    }
}

/// A stranger's line without control characters.
pub(crate) fn plain(text: &str) -> String {
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
    match ending::code(&told["outcome"]) {
        Some(code) => code,
        None if told["outcome"].is_null() && result.is_error == Some(true) => {
            ending::of_refusal(told["error"]["reason"].as_str().unwrap_or_default())
        }
        // It goes on, as was asked for, or was no run.
        None => 0,
    }
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
    fn the_exit_code_is_that_of_the_run() {
        let ended = |outcome: Value| code(json!({ "outcome": outcome }), true);
        assert_eq!(ended(json!({ "kind": "exited", "code": 3 })), 3);
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
