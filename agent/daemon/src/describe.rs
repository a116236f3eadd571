//! Actions as JSON, for the journal: readable, bounded, without file contents.
//!
//! Long or binary parts are cut or replaced by their length and digest; the
//! action's own digest stands beside and covers every byte. Secrets are taken
//! out by the journal.

use cofferdam_proto::exec::v1::{
    Command, EnvironmentVariable, RunInput, RunSignal, RunSize, Terminal,
};
use cofferdam_trust::{hex, sha256};
use serde_json::{Map, Value, json};

mod file;

pub use file::operation;

/// Bytes of one text.
const TEXT: usize = 4 * 1024;
/// Bytes of all arguments together.
const ARGUMENTS: usize = 64 * 1024;
/// Bytes of all variables together.
const VARIABLES: usize = 32 * 1024;

/// A command, as it was asked for.
#[must_use]
pub fn command(command: &Command) -> Value {
    let Command {
        program,
        arguments,
        working_directory,
        environment,
        stdin,
        background,
        one_shot,
        stdin_open,
        terminal,
    } = command;
    let mut left = ARGUMENTS;
    let shown = arguments.iter().map_while(|argument| {
        let shown = text(argument);
        left = left.checked_sub(shown.len() + 1)?;
        Some(Value::from(shown))
    });
    let shown: Vec<Value> = shown.collect();
    let mut left = VARIABLES;
    let variables = environment.iter().map_while(|EnvironmentVariable { name, value }| {
        let (name, value) = (text(name.as_bytes()), text(value));
        left = left.checked_sub(name.len() + value.len() + 1)?;
        Some((name, Value::from(value)))
    });
    let variables: Map<String, Value> = variables.collect();
    json!({
        "program": text(program),
        "arguments_left_out": arguments.len() - shown.len(),
        "arguments": shown,
        "working_directory": text(working_directory),
        "environment_left_out": environment.len() - variables.len(),
        "environment": variables,
        "stdin": content(stdin),
        "background": background,
        "one_shot": one_shot,
        "stdin_open": stdin_open,
        "terminal": terminal.map(size),
    })
}

/// What a run is given to read.
#[must_use]
pub fn input(input: &RunInput) -> Value {
    let RunInput { run_id, offset, data, end } = input;
    json!({"write_run": run_id, "offset": offset, "data": content(data), "end": end})
}

/// A terminal's new size.
#[must_use]
pub fn resize(resize: &RunSize) -> Value {
    let RunSize { run_id, terminal } = resize;
    json!({"resize_run": run_id, "terminal": terminal.map(size)})
}

/// A signal.
#[must_use]
pub fn signal(signal: &RunSignal) -> Value {
    let RunSignal { run_id, signal: _ } = signal;
    let name = signal.signal().as_str_name();
    json!({"signal_run": run_id, "signal": name.trim_start_matches("RUN_SIGNAL_KIND_")})
}

fn size(terminal: Terminal) -> Value {
    let Terminal { rows, columns } = terminal;
    json!({"rows": rows, "columns": columns})
}

/// Characters of a command in a list of runs.
const BRIEF: usize = 200;

/// A command in a line, for those who look over their runs: the command line of a
/// shell that was given one, or program and arguments.
#[must_use]
pub fn briefly(command: &Command) -> String {
    let Command { program, arguments, .. } = command;
    let words: Vec<&[u8]> = match arguments.as_slice() {
        [.., dash_c, line] if dash_c == b"-c" => vec![line],
        arguments => [program].into_iter().chain(arguments).map(Vec::as_slice).take(32).collect(),
    };
    let parts = words.iter().map(|word| String::from_utf8_lossy(&word[..word.len().min(BRIEF)]));
    let line = parts.collect::<Vec<_>>().join(" ");
    let plain = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut brief: String = plain.take(BRIEF).collect();
    if line.chars().count() > BRIEF || words.iter().any(|word| word.len() > BRIEF) {
        brief.push('…');
    }
    brief
}

/// Length and digest.
fn content(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    json!({"bytes": bytes.len(), "sha256": hex(&sha256(bytes))})
}

/// Text, cut at [`TEXT`] bytes; bytes that are not UTF-8 show as U+FFFD.
fn text(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT)]);
    match bytes.len() {
        0..=TEXT => shown.into_owned(),
        length => format!("{shown}… ({length} bytes, sha256 {})", hex(&sha256(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> EnvironmentVariable {
        EnvironmentVariable { name: name.to_owned(), value: vec![b'x'; 100_000] }
    }

    #[test]
    fn the_largest_command_stays_small_in_the_journal() {
        let it = Command {
            program: b"printf".to_vec(),
            arguments: vec![vec![0xff; 100_000]; 1000],
            working_directory: b"/srv".to_vec(),
            environment: vec![variable("A"), variable("B")],
            stdin: vec![0; 1 << 20],
            ..Command::default()
        };
        let value = command(&it);
        assert!(value.to_string().len() < 128 * 1024, "{}", value.to_string().len());
        assert!(value["arguments_left_out"].as_u64().unwrap() > 900);
        assert_eq!(value["stdin"]["bytes"], 1 << 20);
    }
}
