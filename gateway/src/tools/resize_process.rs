//! `resize_process`: changes the size of a process's terminal.

use cofferdam_journal::Ending;
use cofferdam_proto::exec::v1::{RunResized, RunSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::process_view::{Size, size};
use super::start_process::terminal;
use super::view::Provenance;
use super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::BadInput;
use crate::place::Place;
use crate::process::run_of;
use crate::record::RecordedIntent;
use crate::result::Answer;

pub(crate) struct ResizeProcess;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The handle of a process with a terminal.
    process: String,
    /// Lines, 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    rows: u64,
    /// Characters of a line, 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    columns: u64,
}

/// What a caller gets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Output {
    process: String,
    terminal: Size,
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

impl HostTool for ResizeProcess {
    type Input = Input;
    type Wire = RunSize;
    type Output = Output;

    const ABOUT: About = About {
        name: "resize_process",
        title: "Resize a terminal",
        description: "Changes the size of the terminal of a process that you started with one. \
             The process is told, as when a person resizes a window.",
        effect: Effect::Writes,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<RunSize>, BadInput> {
        let Input { process, rows, columns } = input;
        let terminal = Some(terminal(rows, columns)?);
        Ok(Asked { wire: RunSize { run_id: run_of(&process), terminal }, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<RunSize>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let RunResized { terminal } = answer;
        let answer = Output {
            process: crate::process::handle(job.host.name(), &intent.action().run_id),
            terminal: size(terminal.unwrap_or_default()),
            provenance: job.provenance,
        };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        let Size { rows, columns } = self.terminal;
        format!("the terminal of {} has {rows} rows and {columns} columns now", self.process)
    }
}
