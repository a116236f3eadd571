//! Starts a process: where, what and how, as `run` and `shell` take it.

use std::ffi::OsString;

use clap::{Args, ValueHint};
use serde_json::{Map, Value, json};

use super::link::{Again, Link, LinkError};
use crate::tty::Size;

/// Where a run is, or is to be.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Place {
    /// The host, as `cofferdam host list` names it. Default: the project's first.
    #[arg(long, short = 'H', value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) within: Within,
}

/// In which project and session.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Within {
    /// The project. Needed only where there are several.
    #[arg(long, value_name = "PROJECT", value_hint = ValueHint::Other)]
    pub(crate) project: Option<String>,
    /// The handle of a session of yours, as the tool open_session gave it.
    #[arg(long, env = "COFFERDAM_SESSION", value_name = "HANDLE", value_hint = ValueHint::Other)]
    pub(crate) session: Option<String>,
}

/// How a run is started.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Setting {
    /// Where it starts: absolute, or relative to the workspace. Default: the workspace.
    #[arg(long, short = 'C', value_name = "DIRECTORY", value_hint = ValueHint::Other)]
    pub(crate) directory: Option<String>,
    /// A variable of its environment; may be repeated. Rules may refuse it.
    #[arg(
        long = "env",
        short = 'e',
        value_name = "NAME=VALUE",
        value_parser = variable,
        value_hint = ValueHint::Other
    )]
    pub(crate) environment: Vec<(String, String)>,
    /// Ends it, with all that it started, after so many seconds, 1 to 86400.
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        value_hint = ValueHint::Other
    )]
    pub(crate) timeout: Option<u64>,
}

/// What is started.
#[derive(Debug)]
pub(crate) enum What {
    /// A program with its arguments.
    Program(Vec<OsString>),
    /// A shell command line.
    Line(String),
}

/// What it reads and where it shows.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// What it reads first.
    pub(crate) stdin: Vec<u8>,
    /// More can come.
    pub(crate) is_open: bool,
    /// It has a terminal.
    pub(crate) terminal: Option<Size>,
}

/// Why nothing is started.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not UTF-8; arguments travel as text")]
pub(crate) struct NotText(String);

/// Starts it, and gives its handle.
pub(crate) async fn start(
    link: &Link,
    place: &Place,
    setting: &Setting,
    what: What,
    streams: &Streams,
) -> Result<String, LinkError> {
    let mut arguments = arguments(place, setting, what, streams).map_err(std::io::Error::other)?;
    arguments.insert("wait_seconds".to_owned(), 0.into());
    let answer = link.call("start_process", &Value::Object(arguments), Again::Unsafe).await?;
    match answer["process"].as_str() {
        Some(process) => Ok(process.to_owned()),
        None => Err(std::io::Error::other("the gateway gave no handle of the run").into()),
    }
}

/// Where it is, as arguments of a tool.
pub(crate) fn place_arguments(place: &Place) -> Map<String, Value> {
    let Place { host, within: Within { project, session } } = place;
    let named = [("host", host), ("project", project), ("session", session)];
    let given = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    given.map(|(name, value)| (name.to_owned(), value.into())).collect()
}

fn arguments(
    place: &Place,
    setting: &Setting,
    what: What,
    streams: &Streams,
) -> Result<Map<String, Value>, NotText> {
    let Setting { directory, environment, timeout } = setting;
    let Streams { stdin, is_open, terminal } = streams;
    let mut arguments = place_arguments(place);
    let mut set = |name: &str, value: Value| arguments.insert(name.to_owned(), value);
    match what {
        What::Line(line) => {
            set("command", line.into());
        }
        What::Program(words) => {
            let mut words = words.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
            let rest = words.split_off(1.min(words.len()));
            set("program", words.pop().unwrap_or_default().into());
            set("arguments", rest.into());
        }
    }
    if let Some(directory) = directory {
        set("working_directory", directory.clone().into());
    }
    if !environment.is_empty() {
        let variables: Map<String, Value> =
            environment.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        set("environment", variables.into());
    }
    if let Some(timeout) = timeout {
        set("timeout_seconds", (*timeout).into());
    }
    if let Some(Size { rows, columns }) = terminal {
        // No terminal of the gateway's is larger.
        set("terminal", json!({ "rows": (*rows).min(1000), "columns": (*columns).min(1000) }));
    } else {
        if let Ok(stdin) = std::str::from_utf8(stdin)
            && !stdin.is_empty()
        {
            set("stdin", stdin.into());
        }
        set("stdin_open", (*is_open).into());
    }
    Ok(arguments)
}

fn text(word: OsString) -> Result<String, NotText> {
    word.into_string().map_err(|word| NotText(word.display().to_string()))
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` has no `=`: give NAME=VALUE, such as CI=1"))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_becomes_the_arguments_of_the_tool() {
        let place = Place { host: Some("web-1".into()), within: Within::default() };
        let setting = Setting {
            directory: Some("src".into()),
            environment: vec![("CI".into(), "1".into())],
            timeout: Some(9),
        };
        let what = What::Program(vec!["git".into(), "log".into(), "-1".into()]);
        let streams = Streams { stdin: b"in".to_vec(), is_open: false, terminal: None };
        let made = arguments(&place, &setting, what, &streams).unwrap();
        let expected = json!({
            "host": "web-1", "program": "git", "arguments": ["log", "-1"],
            "working_directory": "src", "environment": { "CI": "1" }, "timeout_seconds": 9,
            "stdin": "in", "stdin_open": false,
        });
        assert_eq!(Value::Object(made), expected);
        let terminal = Some(Size { rows: 50, columns: 2000 });
        let streams = Streams { terminal, ..Streams::default() };
        let line = What::Line("make".into());
        let made = arguments(&Place::default(), &Setting::default(), line, &streams).unwrap();
        let expected = json!({ "command": "make", "terminal": { "rows": 50, "columns": 1000 } });
        assert_eq!(Value::Object(made), expected);
    }

    #[test]
    fn a_variable_needs_a_value_and_may_hold_what_it_likes() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert!(variable("A").unwrap_err().contains("NAME=VALUE"));
    }
}
