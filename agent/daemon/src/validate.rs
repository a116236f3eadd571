//! Checks requests before anything else looks at them: lengths, NUL bytes,
//! ranges. Every complaint names the field by its path.

use std::collections::BTreeSet;

use cofferdam_plan::run::bounds;
use cofferdam_plan::{AbsolutePath, TerminalSize};
use cofferdam_profile::{Profile, environment};
use cofferdam_proto::exec::v1 as exec;
use uuid::Uuid;

use crate::input::WAITING;
use crate::planner::Command;

mod file;

pub use file::operation;

/// Bytes of one argument, its NUL in the kernel's copy not counted.
const ARGUMENT: usize = bounds::STRING - 1;
/// Bytes of all arguments and variables: what fits into a plan's frame.
const COMMAND_LINE: usize = 1 << 20;
/// Bytes of standard input.
pub const STDIN: usize = 4 << 20;

/// A field that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {problem}")]
pub struct InvalidField {
    /// Where it stands in the request.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

type Checked<T> = Result<T, InvalidField>;

fn invalid<T>(path: impl Into<String>, problem: impl Into<String>) -> Checked<T> {
    Err(InvalidField { path: path.into(), problem: problem.into() })
}

/// Checks a command for a workspace; `allowed` are reserved variables that the
/// profile lets a request set.
///
/// # Errors
/// Names the field.
pub fn command(
    command: exec::Command,
    workspace: &AbsolutePath,
    allowed: &BTreeSet<String>,
) -> Checked<Command> {
    let exec::Command {
        program,
        arguments,
        working_directory,
        environment,
        stdin,
        background,
        one_shot,
        stdin_open,
        terminal,
    } = command;
    bytes("command.program", &program, cofferdam_plan::path::MAX_PATH)?;
    if program.is_empty() {
        return invalid("command.program", "is empty; name a program");
    }
    if program.contains(&b'/') && !program.starts_with(b"/") {
        let problem = "is a relative path; write a name or an absolute path";
        return invalid("command.program", problem);
    }
    if arguments.len() >= bounds::ARGUMENTS {
        let problem = format!("has {} entries; at most {}", arguments.len(), bounds::ARGUMENTS - 1);
        return invalid("command.arguments", problem);
    }
    let mut total = program.len();
    for (index, argument) in arguments.iter().enumerate() {
        bytes(&format!("command.arguments[{index}]"), argument, ARGUMENT)?;
        total += argument.len() + 1;
    }
    let environment = variables(environment, allowed, &mut total)?;
    if total > COMMAND_LINE {
        let problem = format!("has {total} bytes with its environment; at most {COMMAND_LINE}");
        return invalid("command.arguments", problem);
    }
    if stdin.len() > STDIN {
        let problem = format!("has {} bytes; at most {STDIN}", stdin.len());
        return invalid("command.stdin", problem);
    }
    let working_directory = directory(&working_directory, workspace)?;
    if background && one_shot {
        let problem = "means nothing for a command whose cell ends with it; leave one of them out";
        return invalid("command.background", problem);
    }
    let terminal = terminal.map(|size| terminal_size("command.terminal", size)).transpose()?;
    if terminal.is_some() && !stdin.is_empty() {
        let problem = "means nothing for a command with a terminal; type it with WriteRun";
        return invalid("command.stdin", problem);
    }
    Ok(Command {
        program,
        arguments,
        working_directory,
        environment,
        stdin,
        background,
        one_shot,
        stdin_open,
        terminal,
    })
}

/// Checks the size of a terminal.
///
/// # Errors
/// Names the field.
pub fn terminal_size(path: &str, size: exec::Terminal) -> Checked<TerminalSize> {
    let exec::Terminal { rows, columns } = size;
    let one = |field: &str, value: u32| match u16::try_from(value) {
        Ok(value @ 1..=1000) => Ok(value),
        _ => invalid(format!("{path}.{field}"), format!("is {value}; 1 to 1000 are taken")),
    };
    Ok(TerminalSize { rows: one("rows", rows)?, columns: one("columns", columns)? })
}

/// Checks what a run is to be given to read.
///
/// # Errors
/// Names the field.
pub fn input(input: &exec::RunInput) -> Checked<()> {
    let exec::RunInput { run_id: _, offset: _, data, end } = input;
    if data.is_empty() && !end {
        return invalid("input.data", "is empty, and `input.end` is not set: nothing is written");
    }
    most("input.data", data.len() as u64, WAITING as u64)
}

/// Whether what the command leaves running may live on.
pub fn background(command: &Command, profile: &Profile) -> Checked<()> {
    if command.background && !profile.session.background {
        let name = &profile.name;
        let problem = format!("is not allowed by profile `{name}`: `session.background` is off");
        return invalid("command.background", problem);
    }
    Ok(())
}

fn bytes(path: &str, value: &[u8], limit: usize) -> Checked<()> {
    if value.len() > limit {
        return invalid(path, format!("has {} bytes; at most {limit}", value.len()));
    }
    if value.contains(&0) {
        return invalid(path, "has a NUL byte");
    }
    Ok(())
}

fn most(field: &str, value: u64, limit: u64) -> Checked<()> {
    if value > limit { invalid(field, format!("is {value}; at most {limit}")) } else { Ok(()) }
}

fn variables(
    environment: Vec<exec::EnvironmentVariable>,
    allowed: &BTreeSet<String>,
    total: &mut usize,
) -> Checked<Vec<(String, Vec<u8>)>> {
    // The cell's own variables need room in the plan too.
    const MOST: usize = bounds::ENVIRONMENT / 2;
    if environment.len() > MOST {
        let problem = format!("has {} entries; at most {MOST}", environment.len());
        return invalid("command.environment", problem);
    }
    let mut variables = Vec::with_capacity(environment.len());
    for (index, exec::EnvironmentVariable { name, value }) in environment.into_iter().enumerate() {
        if let Err(error) = environment::check_request(&name, allowed) {
            let shown: String = name.chars().take(64).collect();
            let problem = format!("`{shown}` {error}");
            return invalid(format!("command.environment[{index}].name"), problem);
        }
        let limit = ARGUMENT - name.len() - 1;
        bytes(&format!("command.environment[{index}].value"), &value, limit)?;
        *total += name.len() + value.len() + 2;
        variables.push((name, value));
    }
    Ok(variables)
}

/// The working directory: the workspace or beneath it.
fn directory(asked: &[u8], workspace: &AbsolutePath) -> Checked<AbsolutePath> {
    const PATH: &str = "command.working_directory";
    bytes(PATH, asked, cofferdam_plan::path::MAX_PATH)?;
    let absolute = match asked {
        b"" | b"." | b"./" => return Ok(workspace.clone()),
        [b'/', ..] => asked.to_vec(),
        relative => [workspace.as_bytes(), b"/", relative].concat(),
    };
    let parts = absolute.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let parts: Vec<&[u8]> = parts.collect();
    if parts.contains(&&b".."[..]) {
        let problem = "has a `..` component; name the directory itself";
        return invalid(PATH, problem);
    }
    let normal = [b"/", parts.join(&b'/').as_slice()].concat();
    match AbsolutePath::new(normal) {
        Ok(path) if path.is_beneath(workspace.as_path()) => Ok(path),
        Ok(path) => invalid(PATH, format!("`{path}` lies outside of the workspace `{workspace}`")),
        Err(error) => invalid(PATH, error.to_string()),
    }
}

/// Checks a run id.
///
/// # Errors
/// Where it is no UUID.
pub fn run_id(text: &str) -> Checked<cofferdam_plan::RunId> {
    match Uuid::parse_str(text) {
        Ok(uuid) => Ok(cofferdam_plan::RunId(uuid.into_bytes())),
        Err(_) => invalid("run_id", "is not a UUID"),
    }
}

#[cfg(test)]
mod tests;
