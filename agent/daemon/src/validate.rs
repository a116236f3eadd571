//! Checks requests before anything else looks at them: lengths, NUL bytes,
//! ranges. Every complaint names the field by its path.

use std::collections::BTreeSet;

use cofferdam_files::bounds as files;
use cofferdam_plan::run::bounds;
use cofferdam_plan::{AbsolutePath, TerminalSize};
use cofferdam_profile::{Profile, environment};
use cofferdam_proto::exec::v1 as exec;
use cofferdam_proto::file::v1::worker_request::Operation;
use cofferdam_proto::file::v1::{
    DirectoryList, FileEdit, FileRead, FileSearch, FileStat, FileWrite, ProgramLookup,
    write_precondition::Precondition,
};
use uuid::Uuid;

use crate::input::WAITING;
use crate::planner::Command;

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

/// Checks a file operation.
///
/// # Errors
/// Names the field.
pub fn operation(operation: &Operation) -> Checked<()> {
    match operation {
        Operation::Read(FileRead { path, offset: _, length }) => {
            file_path("read.path", path)?;
            most("read.length", *length, files::READ)
        }
        Operation::Write(write) => file_write(write),
        Operation::Edit(edit) => file_edit(edit),
        Operation::List(list) => {
            let DirectoryList { path, depth, max_entries, .. } = list;
            file_path("list.path", path)?;
            most("list.depth", (*depth).into(), files::DEPTH.into())?;
            most("list.max_entries", (*max_entries).into(), files::ENTRIES.into())
        }
        Operation::Search(search) => file_search(search),
        Operation::Stat(FileStat { path }) => file_path("stat.path", path),
        Operation::FindProgram(ProgramLookup { program, .. }) => {
            bytes("query.program", program, files::PATH)?;
            match program.as_slice() {
                b"" => invalid("query.program", "is empty"),
                [b'/', ..] => Ok(()),
                name if name.contains(&b'/') => {
                    invalid("query.program", "is a relative path; write a name or an absolute path")
                }
                _ => Ok(()),
            }
        }
        Operation::HoldPlaces(_) | Operation::ReleasePlaces(_) => {
            invalid("operation", "is the agent's own")
        }
    }
}

fn file_path(field: &str, path: &[u8]) -> Checked<()> {
    if path.is_empty() {
        return invalid(field, "is empty; write `.` for the workspace");
    }
    bytes(field, path, files::PATH)
}

fn most(field: &str, value: u64, limit: u64) -> Checked<()> {
    if value > limit { invalid(field, format!("is {value}; at most {limit}")) } else { Ok(()) }
}

fn file_write(write: &FileWrite) -> Checked<()> {
    let FileWrite { path, data, precondition, make_parents: _, mode, append: _ } = write;
    file_path("write.path", path)?;
    most("write.data", data.len() as u64, files::WRITE as u64)?;
    if mode & !0o777 != 0 {
        return invalid("write.mode", "has more than permission bits; at most 0777");
    }
    match precondition.as_ref().and_then(|p| p.precondition.as_ref()) {
        Some(Precondition::Sha256(digest)) if digest.len() != 32 => {
            invalid("write.precondition.sha256", "is not 32 bytes")
        }
        _ => Ok(()),
    }
}

fn file_edit(edit: &FileEdit) -> Checked<()> {
    let FileEdit { path, replacements, patch, encoding: _, expected_sha256, dry_run: _ } = edit;
    file_path("edit.path", path)?;
    most("edit.replacements", replacements.len() as u64, files::REPLACEMENTS as u64)?;
    let long = replacements.iter().map(|one| one.old.len() + one.new.len()).sum::<usize>();
    most("edit.replacements", long as u64, files::WRITE as u64)?;
    most("edit.patch", patch.len() as u64, files::WRITE as u64)?;
    if replacements.is_empty() == patch.is_empty() {
        return invalid("edit", "has to have replacements or a patch, and one of them");
    }
    if !matches!(expected_sha256.len(), 0 | 32) {
        return invalid("edit.expected_sha256", "is not 32 bytes");
    }
    Ok(())
}

fn file_search(search: &FileSearch) -> Checked<()> {
    let FileSearch { path, content, name, max_matches, context_lines, .. } = search;
    file_path("search.path", path)?;
    most("search.content", content.len() as u64, files::PATTERN as u64)?;
    most("search.name", name.len() as u64, files::PATTERN as u64)?;
    most("search.max_matches", (*max_matches).into(), files::MATCHES.into())?;
    most("search.context_lines", (*context_lines).into(), files::CONTEXT_LINES.into())?;
    if content.is_empty() && name.is_empty() {
        return invalid("search", "needs `content`, `name` or both");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
