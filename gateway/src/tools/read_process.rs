//! `read_process`: what a process printed, from an offset on: waiting for more, paged,
//! searched and filtered.

mod exact;

use std::time::Duration;

use cofferdam_policy::ProcessUse;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::process_view::{End, GapView, Read, Size, Until, gaps, read, size};
use super::view::Provenance;
use super::{Look, LookTool, Target};
use crate::fault::Fault;
use crate::input::{BadInput, bounded};
use crate::process::Process;
use crate::result::{Answer, InWords};
use crate::transcript::{Transcript, Wanted};

/// Bytes of a pattern, and of memory that a compiled one takes.
const MAX_PATTERN: usize = 1000;
const MAX_COMPILED: usize = 1 << 20;
/// Lines of one answer, and around a match.
const MAX_LINES: u64 = 10_000;
const MAX_CONTEXT: u64 = 20;

const DEFAULT_WAIT: u64 = 20;
const MAX_WAIT: u64 = 3600;

pub(crate) struct ReadProcess;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The handle of the process, as start_process or execute_command told it.
    process: String,
    /// Where to begin in stdout, in bytes: 0, or the `next_stdout_offset` of the answer
    /// before. Default: 0.
    stdout_offset: Option<u64>,
    /// The same for stderr.
    stderr_offset: Option<u64>,
    /// Which streams to read. Default: both. A process with a terminal has stdout only.
    stream: Option<Streams>,
    /// How long to wait, 0 to 3600 seconds, for new output, for `pattern` or for the
    /// end. Default: 20. Clients that show no progress give up after about 60.
    #[schemars(range(min = 0, max = 3600))]
    wait_seconds: Option<u64>,
    /// What to wait for: `output` (anything new; default) or `end`.
    until: Option<Awaited>,
    /// Waits until a line matches this regular expression, a prompt that has not ended
    /// too: `listening on`, `^>>> $`. Linear time; no look-around, no back-references.
    pattern: Option<String>,
    /// Shows at most this many lines, from the offset on.
    #[schemars(range(min = 1, max = 10_000))]
    head: Option<u64>,
    /// Shows only the last lines, at most this many.
    #[schemars(range(min = 1, max = 10_000))]
    tail: Option<u64>,
    /// Shows only lines that match this regular expression.
    grep: Option<String>,
    /// Lines to show before and after each match of `grep`, 0 to 20. Default: 0.
    #[schemars(range(min = 0, max = 20))]
    context: Option<u64>,
    /// Keeps escape sequences (colours, cursor movements). Default: they are taken out,
    /// and so is what carriage returns and backspaces wrote over.
    ansi: Option<bool>,
    /// For programs rather than models: the bytes as they were printed, in
    /// `stdout_base64` and `stderr_base64` instead, as soon as there are any. The process
    /// waits a few seconds for the next call rather than that something be missed. Not
    /// together with `pattern`, `head`, `tail`, `grep` and `until`. A stream is left out
    /// where its offset lies beyond what was printed.
    base64: Option<bool>,
    /// Bytes of each stream to give at most with `base64`, 1 to 262144. Default: what
    /// suits an answer.
    #[schemars(range(min = 1, max = 262_144))]
    max_bytes: Option<u64>,
}

/// Streams to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Streams {
    #[default]
    Both,
    Stdout,
    Stderr,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Awaited {
    #[default]
    Output,
    End,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    process: String,
    /// starting, running or ended.
    state: &'static str,
    /// The size of its terminal; absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal: Option<Size>,
    /// What of stdout is shown.
    stdout: String,
    /// What of stderr is shown.
    stderr: String,
    /// With `base64`: the next bytes of stdout. A gap in it lies before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    /// The same of stderr.
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
    /// With `base64`: bytes of its input that it was given so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin_offset: Option<u64>,
    /// Where to go on reading stdout.
    next_stdout_offset: u64,
    /// Where to go on reading stderr.
    next_stderr_offset: u64,
    /// Bytes of stdout before `next_stdout_offset` that were read and are not shown.
    stdout_left_out: u64,
    /// The same of stderr.
    stderr_left_out: u64,
    /// Output that is not kept any more.
    gaps: Vec<GapView>,
    /// More is there, or may come: call again with the offsets to go on.
    more: bool,
    /// The line in which `pattern` was found; absent: it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<String>,
    #[serde(flatten)]
    end: End,
    #[serde(flatten)]
    provenance: Provenance,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        None
    }
    fn host(&self) -> Option<&str> {
        None
    }
    fn process(&self) -> Option<&str> {
        Some(&self.process)
    }
}

impl LookTool for ReadProcess {
    type Input = Input;
    type Output = Output;

    const ABOUT: About = About {
        name: "read_process",
        title: "Read a process",
        description: "Reads what a process that you started prints, from the offsets of the last \
             answer on, and waits for more where there is none: for any output, for a `pattern`, or \
             for the end, so that you need not ask again and again. Also pages, searches (`grep`) \
             and cuts (`head`, `tail`) all output that the host keeps, of ended processes and of \
             execute_command, too. Output that is not kept any more is told as a gap.",
        effect: Effect::Reads,
    };
    const USE: ProcessUse = ProcessUse::Read;

    fn check(input: &Input) -> Result<(), BadInput> {
        if exact::is_wanted(input) {
            return exact::check(input);
        }
        Question::of(input).map(drop)
    }

    async fn look(look: Look<'_>, input: Input) -> Result<Output, Fault> {
        let Some(process) = look.process.clone() else {
            return Err(Fault::Internal("a process is missing".to_owned()));
        };
        if exact::is_wanted(&input) {
            return exact::read(&look, &process, &input).await;
        }
        let Question { wanted, awaited, until, wait, raw } = Question::of(&input)?;
        let streams = match process.summary.terminal {
            // A terminal has one stream.
            Some(_) if input.stream != Some(Streams::Stderr) => Streams::Stdout,
            _ => input.stream.unwrap_or_default(),
        };
        let at = [input.stdout_offset.unwrap_or(0), input.stderr_offset.unwrap_or(0)];
        // What the run met has a quarter of the budget.
        let budget = look.budget - look.budget / 4;
        let shares = match streams {
            Streams::Both => [budget - budget / 4, budget / 4],
            Streams::Stdout => [budget, 0],
            Streams::Stderr => [0, budget],
        };
        let transcripts = [0, 1].map(|stream| {
            let (offset, budget) = (at[stream], shares[stream]);
            let new = || Transcript::new(offset, wanted.clone(), awaited.clone(), budget, raw);
            (budget > 0).then(new)
        });
        let read = read(&look, &process, transcripts, until, wait).await?;
        Ok(shape(read, process, at, look.looked.provenance().clone()))
    }
}

fn shape(read: Read, process: Process, at: [u64; 2], provenance: Provenance) -> Output {
    let Read { shown: [stdout, stderr], end, more, state } = read;
    let gaps = gaps([&stdout, &stderr]);
    Output {
        process: process.handle,
        state,
        terminal: process.summary.terminal.map(size),
        next_stdout_offset: stdout.next.max(at[0]),
        next_stderr_offset: stderr.next.max(at[1]),
        stdout_left_out: stdout.left_out,
        stderr_left_out: stderr.left_out,
        gaps,
        more,
        matched: stdout.matched.or(stderr.matched),
        stdout: stdout.text,
        stderr: stderr.text,
        end,
        provenance,
        ..Output::default()
    }
}

/// The input, checked.
struct Question {
    wanted: Wanted,
    awaited: Option<Regex>,
    until: Until,
    wait: Duration,
    raw: bool,
}

impl Question {
    fn of(input: &Input) -> Result<Self, BadInput> {
        let Input { wait_seconds, until, pattern, head, tail, grep, context, ansi, .. } = input;
        let lines = |field: &str, value: Option<u64>| {
            let lines = bounded(field, value, 1, 1..=MAX_LINES)?;
            Ok::<_, BadInput>(value.map(|_| usize::try_from(lines).unwrap_or(usize::MAX)))
        };
        let (head, tail) = (lines("head", *head)?, lines("tail", *tail)?);
        let context = bounded("context", *context, 0, 0..=MAX_CONTEXT)?;
        let wait = bounded("wait_seconds", *wait_seconds, DEFAULT_WAIT, 0..=MAX_WAIT)?;
        let awaited = pattern.as_ref().map(|it| compiled("pattern", it)).transpose()?;
        let grep = grep.as_ref().map(|it| compiled("grep", it)).transpose()?;
        let until = match (&awaited, until.unwrap_or_default()) {
            (Some(_), _) => Until::Match,
            (None, Awaited::Output) => Until::Output,
            (None, Awaited::End) => Until::End,
        };
        let wanted = match (head, tail, grep) {
            (None, None, Some(grep)) => {
                Wanted::Matching(grep, usize::try_from(context).unwrap_or(usize::MAX))
            }
            (None, Some(tail), None) => Wanted::Tail(tail),
            (Some(head), None, None) => Wanted::Page(head),
            (None, None, None) if until == Until::Output => Wanted::Page(usize::MAX),
            // What is waited for may lie beyond a page.
            (None, None, None) => Wanted::Ends,
            _ => {
                let message = "`head`, `tail` and `grep` cannot be combined; give one of them";
                return Err(BadInput::field("head", message));
            }
        };
        let wait = Duration::from_secs(wait);
        Ok(Self { wanted, awaited, until, wait, raw: ansi.unwrap_or_default() })
    }
}

/// A regular expression that takes linear time and bounded memory.
fn compiled(field: &str, pattern: &str) -> Result<Regex, BadInput> {
    if pattern.len() > MAX_PATTERN {
        let message = format!("`{field}` has {} bytes; at most {MAX_PATTERN}", pattern.len());
        return Err(BadInput::too_large(field, message));
    }
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| BadInput::field(field, format!("`{field}` is not right: {error}")))
}

impl Answer for Output {
    const VERBATIM: &'static [&'static str] = &["stdout", "stderr"];

    fn in_words(&self) -> Vec<InWords> {
        self.end.met.in_words()
    }

    fn headline(&self) -> String {
        let how = match self.state {
            "ended" => self.end.in_words(),
            state => state.to_owned(),
        };
        let (stdout, stderr) = (self.next_stdout_offset, self.next_stderr_offset);
        let next = if self.more {
            format!("; go on with stdout_offset {stdout}, stderr_offset {stderr}")
        } else {
            String::new()
        };
        format!("{}: {how}{next}", self.process)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn question(mut arguments: Value) -> Result<Question, BadInput> {
        arguments["process"] = json!("h/r");
        let Value::Object(arguments) = arguments else { panic!("an object") };
        Question::of(&crate::input::parse(Some(arguments))?)
    }

    #[test]
    fn what_is_waited_for_decides_what_is_shown() {
        let plain = question(json!({})).unwrap();
        assert!(matches!(plain.wanted, Wanted::Page(usize::MAX)) && plain.until == Until::Output);
        let prompt = question(json!({"pattern": ">>> $", "wait_seconds": 3})).unwrap();
        assert!(matches!(prompt.wanted, Wanted::Ends) && prompt.until == Until::Match);
        assert_eq!(prompt.wait, Duration::from_secs(3));
        let last = question(json!({"until": "end", "tail": 5})).unwrap();
        assert!(matches!(last.wanted, Wanted::Tail(5)) && last.until == Until::End);
    }

    #[test]
    fn what_cannot_be_asked_is_refused_and_named() {
        for (arguments, field) in [
            (json!({"pattern": "("}), "pattern"),
            (json!({"grep": "x".repeat(2000)}), "grep"),
            (json!({"grep": "(a{1000}){1000}"}), "grep"),
            (json!({"head": 1, "tail": 1}), "head"),
            (json!({"tail": 0}), "tail"),
            (json!({"wait_seconds": 4000}), "wait_seconds"),
            (json!({"context": 21}), "context"),
        ] {
            let refused = question(arguments).err().unwrap();
            assert_eq!(refused.field, field);
        }
    }
}
