//! `execute_command`: runs a program, or a shell command line, in a sandbox.
//!
//! It waits for the end as long as clients are sure to wait for an answer; then the
//! command goes on by itself, and its caller gets the handle to read on with.
//! [`super::start_process`] starts in the same way and waits less.

pub(in crate::tools) mod met;
mod start;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use cofferdam_journal::{Ending, Usage};
use cofferdam_proto::exec::v1::{
    Command, EnvironmentVariable, Finished, Layer, RunSummary, Sandbox,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use met::Met;
pub(in crate::tools) use start::check_environment;
use start::{check_sizes, what_to_start};

use super::definition::{About, Effect};
use super::view::{OutcomeView, Provenance, UsageView, WeakLayer, layers};
use super::{Acted, Asked, HostTool, Job, Led, Target};
use crate::excerpt::{Collector, Excerpt, excerpts};
use crate::hosts::{Course, FollowedRun, HostError, RunSoFar, RunWatch, SeenRun};
use crate::input::{BadInput, bounded, check_path};
use crate::place::Place;
use crate::process::handle;
use crate::record::{RecordedIntent, recorded_sandbox};
use crate::result::{Answer, InWords};

/// Bytes of standard input.
const MAX_STDIN: usize = 4 * 1024 * 1024;

/// Of the bytes that an answer may show, what the run met at the walls of its
/// sandbox takes at most one in so many.
const FOR_MET: usize = 4;

const DEFAULT_TIMEOUT: u64 = 120;
const MAX_TIMEOUT: u64 = 86_400;

/// Seconds that a caller waits: clients give up on a call that is silent for 60.
const DEFAULT_WAIT: u64 = 50;
const MAX_WAIT: u64 = 3600;

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
    /// How long to wait for the end, 0 to 3600 seconds. Default: 50. A command that
    /// takes longer goes on, and the answer says how to read on: `read_process` or
    /// `wait_process` with its `process`.
    #[schemars(range(min = 0, max = 3600))]
    wait_seconds: Option<u64>,
    /// Set it where the command starts something that shall go on after it has
    /// ended, such as a server with `&`: what it leaves running lives on in this
    /// session's sandbox, where later commands reach it on 127.0.0.1. Without it
    /// everything that the command started is ended with it.
    background: Option<bool>,
    /// Run in a fresh sandbox that ends with the command: nothing in /tmp and
    /// nothing in the background is shared with other commands, only the
    /// workspace is. Not together with `background`.
    one_shot: Option<bool>,
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
    /// How the command ended; `running`: it goes on.
    outcome: OutcomeView,
    /// Its handle: `read_process` pages, searches and filters all of its output that
    /// the host keeps, while it runs and after.
    process: String,
    /// What to do to see what is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_on: Option<String>,
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
    met: Met,
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
             unless the project's rules give it. /tmp, and what was started with `background`, \
             last for the session. A command that the rules do not allow is refused \
             with the reason and with what is allowed; what the sandbox refuses a running command \
             is listed under `denials`. Long output is shown with its beginning \
             and its end; read_process shows the rest. A command that takes longer than \
             `wait_seconds` goes on, and the answer says how to read on.",
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
            wait_seconds,
            background,
            one_shot,
            host: _,
            project: _,
        } = input;
        let timeout =
            bounded("timeout_seconds", timeout_seconds, DEFAULT_TIMEOUT, 1..=MAX_TIMEOUT)?;
        bounded("wait_seconds", wait_seconds, DEFAULT_WAIT, 0..=MAX_WAIT)?;
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
        Ok(Asked { wire: line.into_wire()?, wall: Some(Duration::from_secs(timeout)) })
    }

    fn wait(input: &Input) -> Option<Duration> {
        Some(Duration::from_secs(input.wait_seconds.unwrap_or(DEFAULT_WAIT)))
    }

    fn wait_as_task(input: &Input) -> Option<Duration> {
        Some(input.wait_seconds.map_or(Duration::MAX, Duration::from_secs))
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<Command>,
    ) -> Result<Acted<Output>, HostError> {
        match start(Job { wait: None, ..job }, intent).await? {
            Led::Ended(acted) => Ok(*acted),
            Led::GoesOn(_) => Err(HostError::Incomplete {
                host: intent.provenance().host.clone(),
                missing: "an end",
            }),
        }
    }

    async fn lead(
        job: Job<'_>,
        intent: &RecordedIntent<Command>,
    ) -> Result<Led<Output>, HostError> {
        start(job, intent).await
    }
}

/// What is to be run, as it was sent.
pub(super) struct CommandLine {
    pub(super) command: Option<String>,
    pub(super) program: Option<String>,
    pub(super) arguments: Option<Vec<String>>,
    pub(super) working_directory: Option<String>,
    pub(super) environment: Option<BTreeMap<String, String>>,
    pub(super) stdin: Option<String>,
    pub(super) background: Option<bool>,
    pub(super) one_shot: Option<bool>,
}

impl CommandLine {
    /// As the host is asked to run it.
    pub(super) fn into_wire(self) -> Result<Command, BadInput> {
        let Self {
            command,
            program,
            arguments,
            working_directory,
            environment,
            stdin,
            background,
            one_shot,
        } = self;
        if let Some(directory) = &working_directory {
            check_path("working_directory", directory)?;
        }
        let (background, one_shot) = (background.unwrap_or_default(), one_shot.unwrap_or_default());
        if background && one_shot {
            return Err(BadInput::field(
                "one_shot",
                "`background` and `one_shot` are both set, but what is left running would end \
                 with the one-shot's sandbox; leave one of them out",
            ));
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
        let command = crate::action::command(execute, environment, stdin.into_bytes());
        Ok(Command { background, one_shot, ..command })
    }
}

/// Starts a run and follows it for as long as its caller waits.
pub(super) async fn start(
    job: Job<'_>,
    intent: &RecordedIntent<Command>,
) -> Result<Led<Output>, HostError> {
    let watch = RunWatch {
        cancelled: job.cancelled.clone(),
        wall: intent.wall(),
        wait: job.wait.unwrap_or(LONGER_THAN_ANY),
        budget: job.budget,
        last_line: job.progress.last_line(),
    };
    let begun = Instant::now();
    Ok(match job.host.run(intent, watch).await? {
        Course::Ended(run) => Led::Ended(Box::new(shape(*run, job.provenance, job.budget))),
        Course::GoesOn(run) => {
            let waited = begun.elapsed();
            Led::GoesOn(so_far(*run, job.provenance, job.budget, waited))
        }
    })
}

/// Longer than a run may take.
const LONGER_THAN_ANY: Duration = Duration::from_hours(48);

/// What there is of a run that goes on.
fn so_far(run: RunSoFar, provenance: Provenance, budget: usize, waited: Duration) -> Output {
    let RunSoFar { layers: given, stdout, stderr } = run;
    let [stdout, stderr] = excerpts(&stdout, &stderr, budget);
    let (sandbox, degraded) = layers(given);
    let process = handle(&provenance.host, &provenance.run_id);
    let read_on = format!(
        "it goes on: read_process with process `{process}`, stdout_offset {} and stderr_offset {} \
         waits for what it prints next, wait_process for its end, signal_process ends it",
        stdout.bytes, stderr.bytes
    );
    let output = Output {
        outcome: Ending::GoesOn.into(),
        process,
        read_on: Some(read_on),
        duration_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        sandbox,
        degraded,
        provenance,
        ..Output::default()
    };
    output.showing(stdout, stderr)
}

fn shape(run: FollowedRun, provenance: Provenance, budget: usize) -> Acted<Output> {
    let FollowedRun { outcome, usage, layers, sandbox, stdout, stderr, receipt } = run;
    let (ending, usage) = (Ending::from_wire(outcome), Usage::from_wire(usage));
    let recorded = sandbox.as_ref().map(recorded_sandbox);
    let end = End { ending: ending.clone(), usage, layers, sandbox };
    let answer = ended(end, [&stdout, &stderr], provenance, budget);
    Acted { answer, ending, usage: Some(usage), sandbox: recorded, receipt }
}

/// What there is of a run that was left to itself: as it would have been answered.
pub(super) fn of_seen(
    run: SeenRun,
    provenance: Provenance,
    budget: usize,
    summary: &RunSummary,
) -> Output {
    let SeenRun { finished, layers, stdout, stderr } = run;
    let Some(finished) = finished else {
        let waited = waited(summary);
        return so_far(RunSoFar { layers, stdout, stderr }, provenance, budget, waited);
    };
    let Finished { outcome, usage, sandbox, receipt: _, stdout_bytes: _, stderr_bytes: _ } =
        finished;
    let ending = Ending::from_wire(outcome.unwrap_or_default());
    let usage = Usage::from_wire(usage.unwrap_or_default());
    ended(End { ending, usage, layers, sandbox }, [&stdout, &stderr], provenance, budget)
}

/// Since it was started.
fn waited(summary: &RunSummary) -> Duration {
    let started = summary.started_at.and_then(|at| SystemTime::try_from(at).ok());
    started.and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

/// How a run ended.
struct End {
    ending: Ending,
    usage: Usage,
    layers: Vec<Layer>,
    sandbox: Option<Sandbox>,
}

fn ended(
    end: End,
    [stdout, stderr]: [&Collector; 2],
    provenance: Provenance,
    budget: usize,
) -> Output {
    let End { ending, usage, layers: given, sandbox } = end;
    let met = Met::of(sandbox, ending == Ending::Exited { code: 0 }, budget / FOR_MET);
    let [stdout, stderr] = excerpts(stdout, stderr, budget.saturating_sub(met.size()));
    let (sandbox, degraded) = layers(given);
    let process = handle(&provenance.host, &provenance.run_id);
    let is_cut = stdout.omitted > 0 || stderr.omitted > 0;
    let read_on = is_cut.then(|| {
        format!("read_process with process `{process}` pages and searches what is left out")
    });
    let answer = Output {
        outcome: ending.into(),
        process,
        read_on,
        duration_ms: usage.wall_micros / 1000,
        usage: usage.into(),
        sandbox,
        degraded,
        met,
        provenance,
        ..Output::default()
    };
    answer.showing(stdout, stderr)
}

impl Output {
    /// Whether somebody took it back.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.outcome.kind == "cancelled"
    }

    fn showing(self, stdout: Excerpt, stderr: Excerpt) -> Self {
        let lossy = [("stdout", stdout.lossy), ("stderr", stderr.lossy)];
        let lossy = lossy.into_iter().filter_map(|(name, lossy)| lossy.then_some(name)).collect();
        Self {
            stdout: stdout.text,
            stderr: stderr.text,
            stdout_bytes: stdout.bytes,
            stderr_bytes: stderr.bytes,
            truncated: Truncated {
                stdout_omitted_bytes: stdout.omitted,
                stderr_omitted_bytes: stderr.omitted,
            },
            lossy,
            ..self
        }
    }
}

impl Answer for Output {
    const VERBATIM: &'static [&'static str] = &["stdout", "stderr"];

    fn in_words(&self) -> Vec<InWords> {
        self.met.in_words()
    }

    /// A command's own exit code is its answer, not a failure of the tool.
    fn is_error(&self) -> bool {
        !matches!(self.outcome.kind, "exited" | "running")
    }

    fn headline(&self) -> String {
        let OutcomeView { kind, code, signal: _, sender: _, detail } = &self.outcome;
        if *kind == "running" {
            let (process, host) = (&self.process, &self.provenance.host);
            let waited = self.duration_ms;
            return format!(
                "still running on {host} after {waited} ms; read on with read_process (process: \
                 {process}), or wait_process"
            );
        }
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
