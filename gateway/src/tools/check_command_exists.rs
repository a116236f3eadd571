//! `check_command_exists`: whether a program is there and may be executed, and which
//! version it is, where the rules permit to ask it.

use std::sync::Arc;

use cofferdam_journal::Ending;
use cofferdam_policy::{Action, Execute};
use cofferdam_proto::exec::v1::{FindProgramResponse, ProgramQuery};
use rmcp::model::CallToolResponse;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::definition::{About, Effect};
use super::view::Provenance;
use super::{Acted, Asked, ExecuteCommand, HostTool, Job, Target};
use crate::call::{Call, Origin};
use crate::decide::Decided;
use crate::gateway::Gateway;
use crate::hosts::{HostError, Proven};
use crate::input::{BadInput, check_path, parse};
use crate::pipeline::lead_one;
use crate::place::Place;
use crate::progress::Progress;
use crate::record::RecordedIntent;
use crate::result::Answer;

/// What most programs tell their version for.
const VERSION: &str = "--version";
/// Seconds that a program may take to tell it.
const PATIENCE: u64 = 10;
/// Characters of a version.
const LINE: usize = 200;

pub(crate) struct CheckCommandExists;

/// What a caller sends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// The program: a name without slashes, or an absolute path.
    program: String,
    /// Also run `PROGRAM --version`, where the rules permit exactly that, and tell the
    /// first line that it prints. Default: false.
    version: Option<bool>,
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
    /// What the rules say to running exactly `PROGRAM --version`: permitted, asked (people
    /// have to agree) or refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    may_run: Option<&'static str>,
    /// The first line that `PROGRAM --version` prints.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Why the version is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_note: Option<String>,
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
             sandbox and the rules let you execute it. Starts nothing, but for `PROGRAM --version` \
             with `version`.",
        effect: Effect::Reads,
    };

    fn ask(input: Input, _place: &Place) -> Result<Asked<ProgramQuery>, BadInput> {
        let Input { program, version: _, host: _, project: _ } = input;
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
            ..Output::default()
        };
        Ok(Acted { answer, ending: Ending::Completed, usage: None, sandbox: None, receipt })
    }

    async fn complete(gateway: &Arc<Gateway>, call: &Call, mut answer: Output) -> Output {
        if !answer.executable {
            return answer;
        }
        let may_run = may_run(gateway, call, &answer);
        answer.may_run = Some(may_run);
        let input = parse::<Input>(call.arguments.clone());
        if !input.is_ok_and(|input| input.version == Some(true)) {
            return answer;
        }
        let told = match may_run {
            "permitted" => ask_version(gateway, call, &answer).await,
            _ => Err(format!("the rules do not permit `{} --version`", answer.program)),
        };
        match told {
            Ok(version) => answer.version = Some(version),
            Err(note) => answer.version_note = Some(note),
        }
        answer
    }
}

/// How the rules decide on running it, once more when it is run.
fn may_run(gateway: &Gateway, call: &Call, answer: &Output) -> &'static str {
    let Provenance { host, project, .. } = &answer.provenance;
    let Ok(mut place) = Place::resolve(&gateway.roster(), Some(project), Some(host)) else {
        return "refused";
    };
    place.layers = gateway.hosts().get(host).and_then(|host| host.layers());
    let origin = Origin { tool: "execute_command".to_owned(), ..call.origin.clone() };
    let run = Execute::program(answer.program.clone(), vec![VERSION.as_bytes().to_vec()]);
    match gateway.policy().decide(&origin, Some(&place), Action::Execute(run)) {
        Ok(Decided::Permit(_)) => "permitted",
        Ok(Decided::Ask(_)) => "asked",
        Err(_) => "refused",
    }
}

/// Runs it by a call of its own, and gives the first line that it prints, or why there
/// is none.
async fn ask_version(
    gateway: &Arc<Gateway>,
    call: &Call,
    answer: &Output,
) -> Result<String, String> {
    let Provenance { host, project, .. } = &answer.provenance;
    let arguments = json!({
        "program": answer.program, "arguments": [VERSION], "host": host, "project": project,
        "timeout_seconds": PATIENCE, "wait_seconds": PATIENCE,
    });
    let mut origin = call.origin.clone();
    origin.run_id = uuid::Uuid::new_v4().to_string();
    "execute_command".clone_into(&mut origin.tool);
    let run_id = origin.run_id.clone();
    let run = Call {
        origin,
        arguments: arguments.as_object().cloned(),
        profile: call.profile.clone(),
        budget: LINE * 4,
        cancelled: call.cancelled.clone(),
        progress: Progress::silent(),
        person: None,
        takes_task: false,
    };
    let response = lead_one::<ExecuteCommand>(gateway, run).await;
    let said = match response {
        CallToolResponse::Complete(result) => result.structured_content.unwrap_or_default(),
        _ => Value::Null,
    };
    let line = ["stdout", "stderr"].iter().find_map(|stream| {
        let line = said[*stream].as_str()?.lines().next()?.trim();
        (!line.is_empty()).then(|| line.chars().filter(|c| !c.is_control()).take(LINE).collect())
    });
    match line {
        Some(line) if said["outcome"]["code"] == 0 => Ok(line),
        _ => Err(format!("`{} --version` did not tell (run {run_id})", answer.program)),
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
