//! `check_command_exists`: whether a program is there and may be executed.

use cofferdam_journal::Ending;
use cofferdam_proto::exec::v1::{FindProgramResponse, ProgramQuery};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::definition::{About, Effect};
use super::view::Provenance;
use super::{Acted, Asked, HostTool, Job, Target};
use crate::hosts::{HostError, Proven};
use crate::input::{BadInput, check_path};
use crate::place::Place;
use crate::record::RecordedIntent;
use crate::result::Answer;

pub(crate) struct CheckCommandExists;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The program: a name without slashes, or an absolute path.
    program: String,
    /// The host, as `list_hosts` names it. Default: the project's first.
    host: Option<String>,
    /// The project. Needed only where there are several.
    project: Option<String>,
}

/// What a caller gets.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The program that was asked for.
    program: String,
    /// The sandbox shows such a program.
    exists: bool,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// It may be executed here.
    executable: bool,
    #[serde(flatten)]
    provenance: Provenance,
}

impl Target for Input {
    fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

impl HostTool for CheckCommandExists {
    type Input = Input;
    type Wire = ProgramQuery;
    type Output = Output;

    const ABOUT: About = About {
        name: "check_command_exists",
        title: "Check for a command",
        description: "Tells whether a program is there on a Linux host, where, and whether the \
             sandbox may execute it. Starts nothing.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<ProgramQuery>, BadInput> {
        let Input { program, host: _, project: _ } = input;
        check_path("program", &program)?;
        if program.contains('/') && !program.starts_with('/') {
            let message = format!(
                "`{program}` is a relative path; give a name without slashes, or an absolute path"
            );
            return Err(BadInput::field("program", message));
        }
        if program.contains(char::is_whitespace) {
            let message = format!("`{program}` has spaces in it; give the program's name alone");
            return Err(BadInput::field("program", message));
        }
        Ok(Asked { wire: ProgramQuery { program }, wall: None })
    }

    async fn act(
        job: Job<'_>,
        intent: &RecordedIntent<ProgramQuery>,
    ) -> Result<Acted<Output>, HostError> {
        let Proven { answer, receipt } = job.host.ask(intent, job.cancelled).await?;
        let FindProgramResponse { path, executable, receipt: _ } = answer;
        let answer = Output {
            program: intent.action().program.clone(),
            exists: !path.is_empty(),
            path: (!path.is_empty()).then_some(path),
            executable,
            provenance: job.provenance,
        };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }
}

impl Answer for Output {
    fn headline(&self) -> String {
        match (&self.path, self.executable) {
            (Some(path), true) => format!("{} is {path} and may be executed", self.program),
            (Some(path), false) => {
                format!("{} is {path} and may not be executed here", self.program)
            }
            (None, _) => format!("{} is not there, or not shown to the sandbox", self.program),
        }
    }
}
