//! What is asked and where, on the command line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use clap::Args;
use cofferdam_policy::{
    Action, Call, Execute, Host, LAYERS, ProcessUse, Project, Reading, Subject, TOOLS, Timestamp,
};

use super::PolicyError;

/// A call without who asks.
#[derive(Debug, Args)]
pub(super) struct Asked {
    #[command(flatten)]
    pub(super) place: Place,
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
    #[command(flatten)]
    unit: UnitAsked,
    /// A program and its arguments, without a shell.
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// Of `read_service`.
#[derive(Debug, Args)]
pub(super) struct UnitAsked {
    /// The unit of read_service, such as `nginx.service`; of a list a glob.
    #[arg(long)]
    unit: Option<String>,
    /// What read_service reads of it: `list`, `status` or `journal`.
    #[arg(long, value_name = "WHAT", default_value = "status", value_parser = reading)]
    what: Reading,
}

impl UnitAsked {
    pub(super) fn action(&self) -> Result<Action, PolicyError> {
        let unit = self.unit.clone().ok_or(PolicyError::Call("give --unit"))?;
        Ok(Action::ReadService { what: self.what, unit })
    }
}

/// Where.
#[derive(Debug, Clone, Args)]
pub(super) struct Place {
    /// The host.
    #[arg(long, default_value = "")]
    pub(super) host: String,
    /// A label of the host; may be repeated.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// A layer that the host can hold a cell with, such as `landlock`; may be
    /// repeated. Default: the host has said nothing.
    #[arg(long = "layer", value_name = "NAME", value_parser = LAYERS)]
    layers: Vec<String>,
    /// The project.
    #[arg(long, default_value = "")]
    pub(super) project: String,
    /// The project's workspace.
    #[arg(long, value_name = "DIR", default_value = "/workspace")]
    workspace: PathBuf,
}

impl Place {
    /// A call there, now.
    pub(super) fn call(&self, subject: Subject, tool: &str, action: Action) -> Call {
        let Self { host, labels, layers, project, workspace } = self;
        let layers = (!layers.is_empty()).then(|| layers.iter().cloned().collect());
        Call {
            subject,
            project: Project { name: project.clone(), workspace: workspace.clone() },
            host: Host { name: host.clone(), labels: labels.iter().cloned().collect(), layers },
            tool: tool.to_owned(),
            action,
            at: Timestamp::now(),
        }
    }
}

impl Asked {
    /// The call, asked by `subject`.
    pub(super) fn call(&self, subject: Subject) -> Result<Call, PolicyError> {
        Ok(self.place.call(subject, &self.tool, self.action()?))
    }

    pub(super) fn action(&self) -> Result<Action, PolicyError> {
        let program = || self.program.iter().map(|word| word.clone().into_vec());
        match (&self.command, self.program.is_empty(), self.tool.as_str()) {
            (Some(line), _, "execute_command" | "start_process") => {
                Ok(Action::Execute(Execute::command_line(line.as_str())))
            }
            (None, false, "execute_command" | "start_process") => {
                let mut words = program();
                let name = words.next().unwrap_or_default();
                Ok(Action::Execute(Execute::program(name, words.collect())))
            }
            (None, true, "execute_command" | "start_process") => {
                Err(PolicyError::Call("give --command LINE, or a program after `--`"))
            }
            (_, _, "read_service") => self.unit.action(),
            (_, _, tool) => {
                let path = self.path.clone().map(OsString::into_vec);
                let to = self.to.clone().map(OsString::into_vec);
                action_of(tool, path.or_else(|| program().next()), to)
            }
        }
    }
}

/// The action of a tool other than `execute_command`.
pub(super) fn action_of(
    tool: &str,
    object: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
) -> Result<Action, PolicyError> {
    let path = |wanted| object.ok_or(PolicyError::Call(wanted));
    Ok(match tool {
        "check_command_exists" => {
            Action::FindProgram { program: path("give a program's name after `--`")? }
        }
        "get_system_info" => Action::DescribeHost,
        "list_hosts" => Action::ListHosts,
        tool if let Some(used) = ProcessUse::by(tool) => Action::Process(used),
        tool => Action::on_file(tool, path("give --path")?, to).ok_or(UNSUITED)?,
    })
}

/// What of units is read.
fn reading(text: &str) -> Result<Reading, String> {
    let found = Reading::ALL.into_iter().find(|reading| reading.name() == text);
    found.ok_or_else(|| format!("`{text}` is none of list, status and journal"))
}

/// What file tools are given.
pub(super) const UNSUITED: PolicyError =
    PolicyError::Call("this tool takes --path; move_file and copy_file take --to, too");

/// `NAME=VALUE`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
    Ok((name.to_owned(), value.to_owned()))
}
