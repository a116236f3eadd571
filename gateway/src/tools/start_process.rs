//! `start_process`: starts what goes on while its caller does something else.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_proto::exec::v1::{Command, Terminal};
use schemars::JsonSchema;
use serde::Deserialize;

use super::definition::{About, Effect};
use super::execute_command::{CommandLine, Output, start};
use super::{Acted, Asked, HostTool, Job, Led, Target};
use crate::hosts::HostError;
use crate::input::{BadInput, bounded};
use crate::place::Place;
use crate::record::RecordedIntent;

const DEFAULT_TIMEOUT: u64 = 3600;
const MAX_TIMEOUT: u64 = 86_400;

/// Seconds in which what fails at once is told as failed.
const DEFAULT_WAIT: u64 = 1;
const MAX_WAIT: u64 = 50;

/// The size of a terminal that is not said.
const ROWS: u64 = 24;
const COLUMNS: u64 = 80;
/// The largest terminal.
pub(super) const LARGEST: u64 = 1000;

pub(crate) struct StartProcess;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// A shell command line, run by bash on the host. Give either this or `program`.
    command: Option<String>,
    /// The program to start: a name that is looked up in PATH, or an absolute path.
    /// No shell is involved. Give either this or `command`.
    program: Option<String>,
    /// The arguments of `program`, one element each, without the program itself.
    arguments: Option<Vec<String>>,
    /// Where to start: absolute, or relative to the workspace. Default: the workspace.
    working_directory: Option<String>,
    /// Environment variables to set, by name.
    environment: Option<BTreeMap<String, String>>,
    /// What it reads first on its standard input. Not together with `terminal`.
    stdin: Option<String>,
    /// Its standard input stays open, so that `write_process` can write to it. With a
    /// terminal it always is.
    stdin_open: Option<bool>,
    /// Gives it a terminal, for programs that are used by people: prompts, editors,
    /// full-screen programs. What it shows is all in stdout.
    terminal: Option<TerminalSize>,
    /// It and all its children are ended after this many seconds, 1 to 86400. Default:
    /// 3600.
    #[schemars(range(min = 1, max = 86_400))]
    timeout_seconds: Option<u64>,
    /// How long to wait for its end or first output, 0 to 50 seconds. Default: 1, so
    /// that what fails at once is told as failed. With 0 it waits itself for a few
    /// seconds, where it prints very much, until it is read.
    #[schemars(range(min = 0, max = 50))]
    wait_seconds: Option<u64>,
    /// What it leaves running when it ends lives on in this session's sandbox.
    background: Option<bool>,
    /// Run in a fresh sandbox that ends with it. Not together with `background`.
    one_shot: Option<bool>,
    /// The host to run on, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project, as `list_hosts` names it. Needed only where there are several.
    project: Option<String>,
}

/// How large a terminal is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TerminalSize {
    /// Lines, 1 to 1000. Default: 24.
    #[schemars(range(min = 1, max = 1000))]
    rows: Option<u64>,
    /// Characters of a line, 1 to 1000. Default: 80.
    #[schemars(range(min = 1, max = 1000))]
    columns: Option<u64>,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl HostTool for StartProcess {
    type Input = Input;
    type Wire = Command;
    type Output = Output;

    const ABOUT: About = About {
        name: "start_process",
        title: "Start a process",
        description: "Starts a command in a sandbox on a Linux host and returns at once with its \
             handle `process`: for servers, watchers, long builds, and programs that are talked \
             to. read_process waits for what it prints, write_process types, signal_process ends \
             it, wait_process waits for its end. With `terminal` it believes to be used by a \
             person. Rules may refuse a terminal and open input.",
        effect: Effect::Executes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<Command>, BadInput> {
        let Input {
            command,
            program,
            arguments,
            working_directory,
            environment,
            stdin,
            stdin_open,
            terminal,
            timeout_seconds,
            wait_seconds,
            background,
            one_shot,
            host: _,
            project: _,
        } = input;
        let timeout =
            bounded("timeout_seconds", timeout_seconds, DEFAULT_TIMEOUT, 1..=MAX_TIMEOUT)?;
        bounded("wait_seconds", wait_seconds, DEFAULT_WAIT, 0..=MAX_WAIT)?;
        if terminal.is_some() && stdin.as_ref().is_some_and(|stdin| !stdin.is_empty()) {
            let message = "`stdin` and `terminal` are both set; type into the terminal with \
                           write_process";
            return Err(BadInput::field("stdin", message));
        }
        let terminal = terminal.map(size).transpose()?;
        let line = CommandLine {
            command,
            program,
            arguments,
            working_directory,
            environment,
            stdin,
            background,
            one_shot,
        };
        let stdin_open = stdin_open.unwrap_or_default();
        let wire = Command { stdin_open, terminal, ..line.into_wire()? };
        Ok(Asked { wire, wall: Some(Duration::from_secs(timeout)) })
    }

    fn wait(input: &Input) -> Option<Duration> {
        Some(Duration::from_secs(input.wait_seconds.unwrap_or(DEFAULT_WAIT)))
    }

    fn wait_as_task(input: &Input) -> Option<Duration> {
        Self::wait(input)
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<Command>,
    ) -> Result<Acted<Output>, HostError> {
        super::ExecuteCommand::act(job, intent).await
    }

    async fn lead(
        job: Job<'_>,
        intent: &RecordedIntent<Command>,
    ) -> Result<Led<Output>, HostError> {
        start(job, intent).await
    }
}

fn size(TerminalSize { rows, columns }: TerminalSize) -> Result<Terminal, BadInput> {
    terminal(rows.unwrap_or(ROWS), columns.unwrap_or(COLUMNS))
}

/// The size of a terminal, checked.
pub(super) fn terminal(rows: u64, columns: u64) -> Result<Terminal, BadInput> {
    let one = |field: &str, value| {
        let value = bounded(field, Some(value), 0, 1..=LARGEST)?;
        Ok::<_, BadInput>(u32::try_from(value).unwrap_or(u32::MAX))
    };
    Ok(Terminal { rows: one("rows", rows)?, columns: one("columns", columns)? })
}
