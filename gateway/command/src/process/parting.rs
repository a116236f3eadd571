//! What is said, and which exit code there is, when this program and a process part.

use std::process::ExitCode;

use serde_json::Value;

use super::ending::{self, NO_ANSWER, SIGNALLED};
use super::events;
use super::handle::HandleError;
use super::link::LinkError;
use super::screen::Parting;
use crate::call::met;
use crate::report::{Format, failure, write_json};
use crate::tty::say;

/// Says how it ended, or where it goes on, and gives the exit code.
pub(crate) fn conclude(parting: &Parting, process: &str, at: [u64; 2], format: Format) -> ExitCode {
    match parting {
        Parting::Ended(answer) => {
            if format == Format::Human {
                if let Some(told) = ending::in_words(&answer["outcome"]) {
                    say(&crate::call::plain(&told));
                }
                for line in told_of_walls(answer) {
                    crate::report::complain(&line);
                }
            }
            ExitCode::from(ending::code(&answer["outcome"]).unwrap_or(NO_ANSWER))
        }
        Parting::Left => {
            goes_on(process, at, format);
            ExitCode::SUCCESS
        }
        Parting::Told(signal) => {
            goes_on(process, at, format);
            ExitCode::from(SIGNALLED + signal)
        }
    }
}

/// What it met at the walls of its sandbox. That denials cannot be seen on a host is
/// worth a line only where the ending itself does not tell.
fn told_of_walls(answer: &Value) -> Vec<String> {
    let mut answer = answer.clone();
    let has_none = answer["denials"].as_array().is_none_or(Vec::is_empty);
    if has_none && answer["outcome"]["kind"] != "signalled" {
        answer["denials_note"] = Value::Null;
    }
    met::lines(&answer)
}

fn goes_on(process: &str, at: [u64; 2], format: Format) {
    if format == Format::Json {
        // Where nobody reads it any more, nothing is left to do.
        _ = write_json(&mut std::io::stdout().lock(), &events::left(process, at));
        return;
    }
    say(&format!(
        "left {process}; unless it has ended, it goes on: `cofferdam attach {process}` joins it, \
         `cofferdam logs {process}` shows what it printed"
    ));
}

/// Says why there is nothing to show, and gives the exit code for it.
pub(crate) fn failed(error: &LinkError, format: Format) -> ExitCode {
    failure(error, format);
    ExitCode::from(match error {
        LinkError::Refused { reason, .. } => ending::of_refusal(reason),
        _ => NO_ANSWER,
    })
}

/// The same where a handle may be what is wrong.
pub(crate) fn unknown(error: HandleError, format: Format) -> ExitCode {
    match error {
        HandleError::Link(error) => failed(&error, format),
        other => {
            failure(&other, format);
            ExitCode::from(NO_ANSWER)
        }
    }
}
