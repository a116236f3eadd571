//! What a run has come to that stands for a call as a task: no tool of its own, but
//! looked at as by one, so that the rules decide and the journal has it each time.

use cofferdam_policy::ProcessUse;
use cofferdam_proto::exec::v1::{RunState, RunSummary};
use schemars::JsonSchema;
use serde::Deserialize;

use super::definition::{About, Effect};
use super::execute_command::{Output, of_seen};
use super::view::{Decision, Provenance};
use super::{Look, LookTool, Target};
use crate::fault::Fault;
use crate::input::BadInput;

/// Looks at a run.
pub(crate) struct RunNow;

/// Which one, and how far its caller wants to know.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The handle of the process.
    process: String,
    /// Its caller waits no longer: what there is, is the answer.
    is_over: bool,
}

/// What it has come to.
pub(crate) struct Now {
    pub(crate) summary: RunSummary,
    /// The answer of the call, once there is one.
    pub(crate) answer: Option<Output>,
    /// What it printed last, while there is none.
    pub(crate) last_line: Option<String>,
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

impl LookTool for RunNow {
    type Input = Input;
    type Output = Now;

    const ABOUT: About = About {
        name: "read_process",
        title: "Look at a task",
        description: "What the run of a task has come to.",
        effect: Effect::Reads,
    };
    const USE: ProcessUse = ProcessUse::Read;

    fn check(_input: &Input) -> Result<(), BadInput> {
        Ok(())
    }

    async fn look(look: Look<'_>, input: Input) -> Result<Now, Fault> {
        let Some(process) = &look.process else {
            return Err(Fault::Internal("a process is missing".to_owned()));
        };
        let summary = process.summary.clone();
        if !input.is_over && summary.state() != RunState::Ended {
            let last_line = look.host.last_line(look.looked, &summary).await?;
            return Ok(Now { summary, answer: None, last_line });
        }
        let seen = look.host.see(look.looked, &summary, look.budget).await?;
        let looked = look.looked.provenance();
        let provenance = Provenance {
            host: looked.host.clone(),
            project: looked.project.clone(),
            run_id: process.run_id.clone(),
            decision: Decision {
                rules: looked.decision.rules.clone(),
                profile: summary.profile.clone(),
            },
        };
        let answer = Some(of_seen(seen, provenance, look.budget, &summary));
        Ok(Now { summary, answer, last_line: None })
    }
}
