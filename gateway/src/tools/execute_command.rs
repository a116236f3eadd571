//! `execute_command`: runs a program, or a shell command line, in a sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_journal::{Ending, Usage};
use cofferdam_policy::Execute;
use cofferdam_proto::exec::v1::{Command, EnvironmentVariable};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::view::{OutcomeView, Provenance, UsageView, WeakLayer, layers};
use super::{Acted, Asked, HostTool, Job, Target};
use crate::excerpt::{Excerpt, excerpts};
use crate::hosts::{FollowedRun, HostError, RunWatch};
use crate::input::{BadInput, bounded, check_path, refuse_nul};
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

/// Bytes of one argument, MAX_ARG_STRLEN with its NUL: see execve(2).
const MAX_ARGUMENT: usize = 128 * 1024 - 1;
/// Bytes of all arguments and the environment together.
const MAX_ARGUMENTS: usize = 1024 * 1024;
/// Bytes of standard input.
const MAX_STDIN: usize = 4 * 1024 * 1024;

const DEFAULT_TIMEOUT: u64 = 120;
const MAX_TIMEOUT: u64 = 86_400;

pub(crate) struct ExecuteCommand;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// A shell command line, run by bash on the host; pipes, redirections,
    /// variables and `&&` work. Give either this or `program`.
    command: Option<String>,
    /// The program to start: a name that is looked up in PATH, or an absolute
    /// path. No shell is involved. Give either this or `command`.
    program: Option<String>,
    /// The arguments of `program`, one element each, without the program itself.
    arguments: Option<Vec<String>>,
    /// Where to start: absolute, or relative to the workspace. Default: the
    /// workspace.
    working_directory: Option<String>,
    /// Environment variables to set, by name.
    environment: Option<BTreeMap<String, String>>,
    /// What the command reads on its standard input. Default: nothing.
    stdin: Option<String>,
    /// The command and all its children are ended after this many seconds, 1 to
    /// 86400. Default: 120.
    #[schemars(range(min = 1, max = 86_400))]
    timeout_seconds: Option<u64>,
    /// The host to run on, as `list_hosts` names it. Default: the project's
    /// first.
    host: Option<String>,
    /// The project, as `list_hosts` names it. Needed only where there are
    /// several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// How the command ended.
    outcome: OutcomeView,
    /// What it printed; if that was long, its beginning and its end with a line
    /// that says how much is left out between them.
    stdout: String,
    /// What it printed to standard error, in the same way.
    stderr: String,
    /// Bytes of all that it printed to stdout.
    stdout_bytes: u64,
    /// Bytes of all that it printed to stderr.
    stderr_bytes: u64,
    /// How much of the output is left out above.
    truncated: Truncated,
    /// Streams with bytes that are not UTF-8, shown as U+FFFD.
    lossy: Vec<&'static str>,
    /// Milliseconds from start to end.
    duration_ms: u64,
    usage: UsageView,
    /// The layers of the sandbox that held.
    sandbox: Vec<String>,
    /// The layers that this host could not give as asked.
    degraded: Vec<WeakLayer>,
    #[serde(flatten)]
    provenance: Provenance,
}

/// Bytes that are not shown.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Truncated {
    stdout_omitted_bytes: u64,
    stderr_omitted_bytes: u64,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl HostTool for ExecuteCommand {
    type Input = Input;
    type Wire = Command;
    type Output = Output;

    const ABOUT: About = About {
        name: "execute_command",
        title: "Execute a command",
        description: "Runs a command in a sandbox on a Linux host and returns its output and exit \
             code. Use `command` for a shell command line, or `program` with `arguments` to start \
             a program without a shell. The project's workspace is writable and is where the \
             command starts; the rest of the host is read-only or hidden; there is no network \
             unless the project's rules give it. A command that the rules do not allow is refused \
             with the reason and with what is allowed. Long output is shown with its beginning \
             and its end.",
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
            timeout_seconds,
            host: _,
            project: _,
        } = input;
        let timeout =
            bounded("timeout_seconds", timeout_seconds, DEFAULT_TIMEOUT, 1..=MAX_TIMEOUT)?;
        if let Some(directory) = &working_directory {
            check_path("working_directory", directory)?;
        }
        let stdin = stdin.unwrap_or_default();
        if stdin.len() > MAX_STDIN {
            let message = format!(
                "`stdin` has {} bytes; at most {MAX_STDIN} are taken: write a file first and read it",
                stdin.len()
            );
            return Err(BadInput::too_large("stdin", message));
        }
        let environment = environment.unwrap_or_default();
        check_environment(&environment)?;
        let mut execute = what_to_start(command, program, arguments)?;
        check_sizes(&execute, &environment)?;
        execute.working_directory = working_directory.unwrap_or_default().into_bytes();
        let environment = environment
            .into_iter()
            .map(|(name, value)| EnvironmentVariable { name, value: value.into_bytes() })
            .collect();
        let wire = crate::action::command(execute, environment, stdin.into_bytes());
        Ok(Asked { wire, wall: Some(Duration::from_secs(timeout)) })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<Command>,
    ) -> Result<Acted<Output>, HostError> {
        let watch = RunWatch {
            cancelled: job.cancelled.clone(),
            wall: intent.wall(),
            budget: job.budget,
            last_line: job.progress.last_line(),
        };
        let run = job.host.run(intent, watch).await?;
        Ok(shape(run, job.provenance, job.budget))
    }
}

fn what_to_start(
    command: Option<String>,
    program: Option<String>,
    arguments: Option<Vec<String>>,
) -> Result<Execute, BadInput> {
    match (command, program) {
        (Some(_), Some(_)) => Err(BadInput::field(
            "command",
            "both `command` and `program` are given; give `command` for a shell command line, or \
             `program` with `arguments` for a program without a shell",
        )),
        (None, None) => Err(BadInput::field(
            "command",
            "neither `command` nor `program` is given; give `command` for a shell command line, or \
             `program` with `arguments` for a program without a shell",
        )),
        (Some(_), None) if arguments.is_some() => Err(BadInput::field(
            "arguments",
            "`arguments` belongs to `program`; write the arguments into `command`, or give `program`",
        )),
        (Some(line), None) => {
            refuse_nul("command", &line)?;
            if line.trim().is_empty() {
                return Err(BadInput::field(
                    "command",
                    "`command` is empty; give a command line, such as `ls -l`",
                ));
            }
            Ok(Execute::command_line(line))
        }
        (None, Some(program)) => {
            let arguments = arguments.unwrap_or_default();
            check_program(&program)?;
            for (index, argument) in arguments.iter().enumerate() {
                refuse_nul(&format!("arguments[{index}]"), argument)?;
            }
            let arguments = arguments.into_iter().map(String::into_bytes).collect();
            Ok(Execute::program(program, arguments))
        }
    }
}

fn check_program(program: &str) -> Result<(), BadInput> {
    check_path("program", program)?;
    if program.contains('/') && !program.starts_with('/') {
        return Err(BadInput::field(
            "program",
            format!(
                "`{program}` is a relative path; give a name that is found in PATH, or an absolute \
                 path"
            ),
        ));
    }
    Ok(())
}

fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), BadInput> {
    for (name, value) in environment {
        let field = format!("environment.{name}");
        refuse_nul(&field, value)?;
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(BadInput::field(
                field,
                format!(
                    "`{name}` is not the name of a variable: it is empty or has `=` or NUL in it"
                ),
            ));
        }
    }
    Ok(())
}

fn check_sizes(execute: &Execute, environment: &BTreeMap<String, String>) -> Result<(), BadInput> {
    let Execute { arguments, script, .. } = execute;
    let long = arguments.iter().position(|argument| argument.len() > MAX_ARGUMENT);
    if let Some(index) = long {
        let field = match script {
            Some(_) => "command".to_owned(),
            None => format!("arguments[{index}]"),
        };
        let message = format!(
            "`{field}` has {} bytes; Linux takes at most {MAX_ARGUMENT} in one argument: use `stdin` \
             or write a file",
            arguments[index].len()
        );
        return Err(BadInput::too_large(field, message));
    }
    let of_arguments: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
    let of_environment: usize =
        environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let total = of_arguments + of_environment;
    if total > MAX_ARGUMENTS {
        return Err(BadInput::too_large(
            "arguments",
            format!(
                "the arguments and the environment have {total} bytes; at most {MAX_ARGUMENTS} are \
                 taken: use `stdin` or write a file"
            ),
        ));
    }
    Ok(())
}

fn shape(run: FollowedRun, provenance: Provenance, budget: usize) -> Acted<Output> {
    let FollowedRun { outcome, usage, layers: given, sandbox: _, stdout, stderr, receipt } = run;
    let ending = Ending::from_wire(outcome);
    let usage = Usage::from_wire(usage);
    let [stdout, stderr] = excerpts(&stdout, &stderr, budget);
    let (sandbox, degraded) = layers(given);
    let mut lossy = Vec::new();
    lossy.extend(stdout.lossy.then_some("stdout"));
    lossy.extend(stderr.lossy.then_some("stderr"));
    let Excerpt { text: stdout, bytes: stdout_bytes, omitted: stdout_omitted_bytes, .. } = stdout;
    let Excerpt { text: stderr, bytes: stderr_bytes, omitted: stderr_omitted_bytes, .. } = stderr;
    let answer = Output {
        outcome: ending.clone().into(),
        stdout,
        stderr,
        stdout_bytes,
        stderr_bytes,
        truncated: Truncated { stdout_omitted_bytes, stderr_omitted_bytes },
        lossy,
        duration_ms: usage.wall_micros / 1000,
        usage: usage.into(),
        sandbox,
        degraded,
        provenance,
    };
    Acted { answer, ending, usage: Some(usage), receipt }
}

impl Answer for Output {
    const VERBATIM: &'static [&'static str] = &["stdout", "stderr"];

    /// A command's own exit code is its answer, not a failure of the tool.
    fn is_error(&self) -> bool {
        self.outcome.kind != "exited"
    }

    fn headline(&self) -> String {
        let OutcomeView { kind, code, signal: _, detail } = &self.outcome;
        let how = match (code, detail) {
            (Some(code), _) => format!("exited with code {code}"),
            (None, Some(detail)) => format!("{}: {detail}", kind.replace('_', " ")),
            (None, None) => kind.replace('_', " "),
        };
        format!("{how} (on {}, after {} ms)", self.provenance.host, self.duration_ms)
    }
}

#[cfg(test)]
mod tests;
