//! `cofferdam policy explain`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_policy::{
    Action, Call, Claims, Effect, Execute, Host, LAYERS, Nearest, ProcessUse, Project, Subject,
    TOOLS, Table, Timestamp,
};
use serde::Serialize;

use super::asked::{UNSUITED, UnitAsked, label};
use super::{Files, PolicyError};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
May alice push?
  cofferdam policy explain rules.toml --user alice --project web -- git push origin

A shell command line is taken apart, and each command in it is judged:
  cofferdam policy explain rules.toml --user alice --command 'make test | tee log'

Files:
  cofferdam policy explain rules.toml --user alice --tool write_file --path /etc/hosts

Services:
  cofferdam policy explain rules.toml --user alice --tool read_service --what journal \
      --unit nginx.service

Exits with 0 when it is allowed, with 1 when it is not, with 2 when the files
cannot be read or are wrong, or the call is none.

--json: {effect: allow|ask|deny, rules, line, explanation,
nearest: {rule, part, failed, why}, table: {rows: [{program, arguments, rules,
decision}], more, opaque}}; `nearest` only where no rule permits it, `table` only
of command lines";

/// The rules and the call.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Rule files, taken together.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Who asks.
    #[arg(long, default_value = "")]
    user: String,
    /// A group that the user is in; may be repeated.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The user's tenant.
    #[arg(long, default_value = "")]
    tenant: String,
    /// A claim of the user's token; may be repeated.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = label)]
    claims: Vec<(String, String)>,
    /// The MCP client's name, as it introduces itself.
    #[arg(long, default_value = "")]
    client: String,
    /// The host.
    #[arg(long, default_value = "")]
    host: String,
    /// A label of the host; may be repeated.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// A layer that the host can hold a cell with, such as `landlock`; may be
    /// repeated. Default: the host has said nothing.
    #[arg(long = "layer", value_name = "LAYER", value_parser = LAYERS)]
    layers: Vec<String>,
    /// When it is asked, in RFC 3339. Default: now.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The project.
    #[arg(long, default_value = "")]
    project: String,
    /// The project's workspace.
    #[arg(long, value_name = "DIR", default_value = "/workspace")]
    workspace: PathBuf,
    /// The tool.
    #[arg(long, value_name = "NAME", default_value = "execute_command", value_parser = TOOLS)]
    tool: String,
    /// A shell command line.
    #[arg(long, value_name = "LINE", conflicts_with = "program")]
    command: Option<String>,
    /// The path of a file tool.
    #[arg(long)]
    path: Option<OsString>,
    /// The other path of move_file and copy_file.
    #[arg(long, value_name = "PATH")]
    to: Option<OsString>,
    /// Where the command starts. Default: the workspace.
    #[arg(long, value_name = "DIR", default_value = "")]
    working_directory: OsString,
    /// A variable that the caller sets; may be repeated.
    #[arg(long = "environment", value_name = "NAME")]
    environment: Vec<String>,
    #[command(flatten)]
    unit: UnitAsked,
    /// A program and its arguments, without a shell.
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

#[derive(Debug, Serialize)]
struct Explanation {
    /// `allow`, `ask` or `deny`.
    effect: String,
    rules: Vec<String>,
    line: String,
    #[serde(rename = "explanation")]
    story: String,
    /// Where no rule permits it: the rule that comes nearest, and what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<NearestView>,
    /// Each command of a command line, with what the rules say to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Table>,
}

#[derive(Debug, Serialize)]
struct NearestView {
    rule: String,
    /// The part of the call that nothing permits.
    part: String,
    /// A stable word: what failed first, such as `arguments` or `subject`.
    failed: String,
    why: String,
    #[serde(skip)]
    line: String,
}

impl From<Nearest> for NearestView {
    fn from(nearest: Nearest) -> Self {
        let line = nearest.to_string();
        let Nearest { rule, part, failed, why } = nearest;
        Self { rule, part, failed: failed.to_string(), why, line }
    }
}

pub(super) fn run(arguments: Arguments, format: Format) -> Result<ExitCode, PolicyError> {
    let rules = Files::read(&arguments.files)?.parse()?;
    let call = arguments.call()?;
    let nearest = rules.nearest(&call).map(NearestView::from);
    let decision = rules.decide(call);
    let shown = format.show(&Explanation {
        effect: decision.effect().to_string(),
        rules: decision.rules(),
        line: decision.line(),
        story: decision.explain(),
        nearest,
        table: decision.command_table(),
    });
    Ok(if decision.effect() == Effect::Allow { shown } else { ExitCode::FAILURE })
}

impl Arguments {
    fn call(self) -> Result<Call, PolicyError> {
        let action = self.action()?;
        let Self { user, groups, tenant, client, host, labels, project, workspace, tool, .. } =
            self;
        let at = self.at.unwrap_or_else(Timestamp::now);
        let layers = (!self.layers.is_empty()).then(|| self.layers.iter().cloned().collect());
        let mut claims = Claims::default();
        for (name, value) in &self.claims {
            claims.add(name, value)?;
        }
        let labels: BTreeMap<_, _> = labels.into_iter().collect();
        Ok(Call {
            subject: Subject { user, groups, client, tenant, claims },
            project: Project { name: project, workspace },
            host: Host { name: host, labels, layers },
            tool,
            action,
            at,
        })
    }

    fn action(&self) -> Result<Action, PolicyError> {
        let path = || {
            let path = self.path.clone().ok_or(PolicyError::Call("give --path"))?;
            Ok::<_, PolicyError>(path.into_vec())
        };
        Ok(match self.tool.as_str() {
            "execute_command" | "start_process" => Action::Execute(self.execute()?),
            "check_command_exists" => match &self.program[..] {
                [program] => Action::FindProgram { program: program.clone().into_vec() },
                _ => return Err(PolicyError::Call("give a program's name after `--`")),
            },
            "get_system_info" => Action::DescribeHost,
            "list_hosts" => Action::ListHosts,
            "read_service" => self.unit.action()?,
            tool if let Some(used) = ProcessUse::by(tool) => Action::Process(used),
            tool => {
                let to = self.to.clone().map(OsString::into_vec);
                Action::on_file(tool, path()?, to).ok_or(UNSUITED)?
            }
        })
    }

    fn execute(&self) -> Result<Execute, PolicyError> {
        let mut execute = match (&self.command, self.program.split_first()) {
            (Some(line), _) => Execute::command_line(line.as_str()),
            (None, Some((program, arguments))) => Execute::program(
                program.clone().into_vec(),
                arguments.iter().map(|argument| argument.clone().into_vec()).collect(),
            ),
            (None, None) => {
                return Err(PolicyError::Call("give --command LINE, or a program after `--`"));
            }
        };
        execute.working_directory = self.working_directory.clone().into_vec();
        execute.environment_names = self.environment.iter().cloned().collect();
        Ok(execute)
    }
}

impl Report for Explanation {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.story.trim_end())?;
        self.nearest.iter().try_for_each(|nearest| writeln!(out, "nearest: {}", nearest.line))
    }
}
