//! `wait_process`: waits for the end of a process.

use std::time::Duration;

use cofferdam_policy::ProcessUse;
use cofferdam_proto::exec::v1::Held;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::process_view::{End, Read, Until, read};
use super::view::Provenance;
use super::{Look, LookTool, Target};
use crate::fault::Fault;
use crate::input::{BadInput, bounded};
use crate::result::{Answer, InWords};
use crate::transcript::{Transcript, Wanted};

const DEFAULT_WAIT: u64 = 50;
const MAX_WAIT: u64 = 3600;
const DEFAULT_TAIL: u64 = 20;
const MAX_TAIL: u64 = 1000;

/// Bytes of what was printed before that are looked at for the last lines.
const LOOK_BACK: u64 = 64 * 1024;

pub(crate) struct WaitProcess;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The handle of the process.
    process: String,
    /// How long to wait for its end, 0 to 3600 seconds. Default: 50. Clients that show
    /// no progress give up after about 60.
    #[schemars(range(min = 0, max = 3600))]
    wait_seconds: Option<u64>,
    /// How many of the last lines to show, 1 to 1000. Default: 20.
    #[schemars(range(min = 1, max = 1000))]
    tail: Option<u64>,
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    process: String,
    /// starting, running or ended.
    state: &'static str,
    /// The last lines of stdout.
    stdout: String,
    /// The last lines of stderr.
    stderr: String,
    /// Where stdout goes on, for `read_process`.
    next_stdout_offset: u64,
    /// Where stderr goes on.
    next_stderr_offset: u64,
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

impl LookTool for WaitProcess {
    type Input = Input;
    type Output = Output;

    const ABOUT: About = About {
        name: "wait_process",
        title: "Wait for a process",
        description: "Waits until a process that you started has ended, and tells how it ended, \
             what it used, what the sandbox refused it, and the last lines that it printed. Where \
             it runs longer than `wait_seconds`, it says so: wait again, or do something else.",
        effect: Effect::Reads,
    };
    const USE: ProcessUse = ProcessUse::Read;

    fn check(input: &Input) -> Result<(), BadInput> {
        bounded("wait_seconds", input.wait_seconds, DEFAULT_WAIT, 0..=MAX_WAIT)?;
        bounded("tail", input.tail, DEFAULT_TAIL, 1..=MAX_TAIL).map(drop)
    }

    async fn look(look: Look<'_>, input: Input) -> Result<Output, Fault> {
        let Some(process) = look.process.clone() else {
            return Err(Fault::Internal("a process is missing".to_owned()));
        };
        let wait = Duration::from_secs(input.wait_seconds.unwrap_or(DEFAULT_WAIT));
        let lines = usize::try_from(input.tail.unwrap_or(DEFAULT_TAIL)).unwrap_or(usize::MAX);
        let held = [&process.summary.stdout, &process.summary.stderr];
        let budget = (look.budget - look.budget / 4) / 2;
        let transcripts = held.map(|held| {
            let Held { start, end } = held.unwrap_or_default();
            let from = start.max(end.saturating_sub(LOOK_BACK));
            Some(Transcript::new(from, Wanted::Tail(lines), None, budget, false))
        });
        let Read { shown: [stdout, stderr], end, more: _, state } =
            read(&look, &process, transcripts, Until::End, wait).await?;
        Ok(Output {
            process: process.handle,
            state,
            next_stdout_offset: stdout.next,
            next_stderr_offset: stderr.next,
            stdout: stdout.text,
            stderr: stderr.text,
            end,
            provenance: look.looked.provenance().clone(),
        })
    }
}

impl Answer for Output {
    const VERBATIM: &'static [&'static str] = &["stdout", "stderr"];

    fn in_words(&self) -> Vec<InWords> {
        self.end.met.in_words()
    }

    fn headline(&self) -> String {
        match self.state {
            "ended" => format!("{}: {}", self.process, self.end.in_words()),
            state => format!("{}: still {state}; wait again, or read_process", self.process),
        }
    }
}
