//! `cofferdam call`: one tool call, as an MCP client would make it, for people
//! and scripts.
//!
//! A run looks as it would in a shell: its output is this command's output, its
//! exit code this command's exit code.

pub(crate) mod answer;
mod input;
pub(crate) mod met;
mod tools;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use cofferdam_gateway::client::{Client, ClientError, Endpoint};
use serde_json::{Map, Value};

use crate::connection::{Connection, ConnectionError, event_loop};
use crate::process::ending::NO_ANSWER;
use crate::report::{Format, complain, failure};
pub(crate) use answer::{plain, refusal};
use input::InputError;

const EXAMPLES: &str = "\
A program with its arguments:
  cofferdam call execute_command -- git log --oneline

A shell command line, with a time limit:
  cofferdam call execute_command command='make 2>&1 | tail' timeout_seconds=600

Files:
  cofferdam call read_file path=README.md
  cofferdam call write_file path=notes.txt content='hello'

Anything else as JSON, from standard input if need be:
  cofferdam call search_files --args '{\"path\": \".\", \"content\": \"TODO\"}'
  generate | cofferdam call execute_command --args -

What there is, and what a tool takes:
  cofferdam call --list
  cofferdam call --list execute_command

The exit code of a run is the exit code of this command; 124: it timed out;
125: the gateway could not be asked, or the call failed; 126: it was refused or
could not be started; 128 and more: a signal ended it.";

/// Which tool, with what.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// Lists the tools, or shows what the named one takes.
    #[arg(long, conflicts_with_all = ["values", "args", "program"])]
    list: bool,
    /// The tool.
    #[arg(required_unless_present = "list")]
    tool: Option<String>,
    /// Arguments by name. `environment.CI=1` sets one of several; a list's
    /// argument may be repeated.
    #[arg(value_name = "NAME=VALUE", conflicts_with = "args")]
    values: Vec<String>,
    /// All arguments as one JSON object; `-`: from standard input.
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// A program and its arguments, for execute_command.
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No gateway to ask.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The gateway could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What was given is no arguments.
    #[error(transparent)]
    Input(#[from] InputError),
    /// No such tool.
    #[error("the gateway has no tool `{tool}`; it has {known}")]
    UnknownTool {
        /// What was asked for.
        tool: String,
        /// What there is.
        known: String,
    },
    /// It was refused.
    #[error("{0}")]
    Refused(String),
    /// The event loop.
    #[error("cannot start: {0}")]
    EventLoop(#[from] std::io::Error),
}

/// Its exit codes are those of runs, so that it has one of its own for failures.
pub(crate) fn run(arguments: Arguments, format: Format) -> ExitCode {
    call(arguments, format).unwrap_or_else(|error| {
        failure(&error, format);
        ExitCode::from(NO_ANSWER)
    })
}

fn call(arguments: Arguments, format: Format) -> Result<ExitCode, CallError> {
    let Arguments { connection, list, tool, values, args, program } = arguments;
    let given = input::Given { values, json: args, program };
    let endpoint = connection.endpoint()?;
    event_loop()?.block_on(async {
        let client = Client::connect(&endpoint, progress(format)).await?;
        let done = match (list, tool) {
            (true, tool) => tools::show(&client, tool.as_deref(), format).await,
            (false, tool) => one(&client, &tool.unwrap_or_default(), given, format).await,
        };
        client.close().await;
        done
    })
}

async fn one(
    client: &Client,
    tool: &str,
    given: input::Given,
    format: Format,
) -> Result<ExitCode, CallError> {
    // Texts become numbers and lists as the tool's schema says.
    let schema = if given.values.is_empty() {
        Map::new()
    } else {
        tools::find(client, tool).await?.input_schema.as_ref().clone()
    };
    let result = client.call(tool, given.arguments(tool, &schema)?).await?;
    Ok(answer::show(&result, format))
}

/// Asks one question and gives its structured answer.
pub(crate) fn ask(
    connection: Connection,
    tool: &str,
    arguments: Map<String, Value>,
) -> Result<Value, CallError> {
    let endpoint: Endpoint = connection.endpoint()?;
    event_loop()?.block_on(async {
        let client = Client::connect(&endpoint, |_| {}).await?;
        let result = client.call(tool, arguments).await;
        client.close().await;
        let result = result?;
        match result.is_error {
            Some(true) => Err(CallError::Refused(refusal(&result))),
            _ => Ok(result.structured_content.unwrap_or_default()),
        }
    })
}

/// Progress goes to a person who waits, and to nobody else.
fn progress(format: Format) -> impl Fn(&str) + Send + Sync + 'static {
    let watched = format == Format::Human && std::io::stderr().is_terminal();
    move |message: &str| {
        if watched {
            complain(&format!("… {}", plain(message)));
        }
    }
}
