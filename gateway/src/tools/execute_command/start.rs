//! What `execute_command` is to start, and whether Linux could start it.

use std::collections::BTreeMap;

use cofferdam_policy::Execute;

use crate::input::{BadInput, check_path, refuse_nul};

/// Bytes of one argument, MAX_ARG_STRLEN with its NUL: see execve(2).
const MAX_ARGUMENT: usize = 128 * 1024 - 1;
/// Bytes of all arguments and the environment together.
const MAX_ARGUMENTS: usize = 1024 * 1024;
/// The program and its arguments: those that were given, or a shell with the
/// command line.
pub(super) fn what_to_start(
    command: Option<String>,
    program: Option<String>,
    arguments: Option<Vec<String>>,
) -> Result<Execute, BadInput> {
    match (command, program) {
        (Some(_), Some(_)) => Err(BadInput::field(
            "command",
            "both `command` and `program` are given; give `command` for a shell command line, or \
             `program` with `arguments` for a program without a shell",
        )),
        (None, None) => Err(BadInput::field(
            "command",
            "neither `command` nor `program` is given; give `command` for a shell command line, or \
             `program` with `arguments` for a program without a shell",
        )),
        (Some(_), None) if arguments.is_some() => Err(BadInput::field(
            "arguments",
            "`arguments` belongs to `program`; write the arguments into `command`, or give `program`",
        )),
        (Some(line), None) => {
            refuse_nul("command", &line)?;
            if line.trim().is_empty() {
                return Err(BadInput::field(
                    "command",
                    "`command` is empty; give a command line, such as `ls -l`",
                ));
            }
            Ok(Execute::command_line(line))
        }
        (None, Some(program)) => {
            let arguments = arguments.unwrap_or_default();
            check_program(&program)?;
            for (index, argument) in arguments.iter().enumerate() {
                refuse_nul(&format!("arguments[{index}]"), argument)?;
            }
            let arguments = arguments.into_iter().map(String::into_bytes).collect();
            Ok(Execute::program(program, arguments))
        }
    }
}

fn check_program(program: &str) -> Result<(), BadInput> {
    check_path("program", program)?;
    if program.contains('/') && !program.starts_with('/') {
        return Err(BadInput::field(
            "program",
            format!(
                "`{program}` is a relative path; give a name that is found in PATH, or an absolute \
                 path"
            ),
        ));
    }
    Ok(())
}

/// Refuses names and values that no environment can hold.
pub(in crate::tools) fn check_environment(
    environment: &BTreeMap<String, String>,
) -> Result<(), BadInput> {
    for (name, value) in environment {
        let field = format!("environment.{name}");
        refuse_nul(&field, value)?;
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(BadInput::field(
                field,
                format!(
                    "`{name}` is not the name of a variable: it is empty or has `=` or NUL in it"
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses what execve(2) would refuse with E2BIG.
pub(super) fn check_sizes(
    execute: &Execute,
    environment: &BTreeMap<String, String>,
) -> Result<(), BadInput> {
    let Execute { arguments, script, .. } = execute;
    let long = arguments.iter().position(|argument| argument.len() > MAX_ARGUMENT);
    if let Some(index) = long {
        let field = match script {
            Some(_) => "command".to_owned(),
            None => format!("arguments[{index}]"),
        };
        let message = format!(
            "`{field}` has {} bytes; Linux takes at most {MAX_ARGUMENT} in one argument: use `stdin` \
             or write a file",
            arguments[index].len()
        );
        return Err(BadInput::too_large(field, message));
    }
    let of_arguments: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
    let of_environment: usize =
        environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let total = of_arguments + of_environment;
    if total > MAX_ARGUMENTS {
        return Err(BadInput::too_large(
            "arguments",
            format!(
                "the arguments and the environment have {total} bytes; at most {MAX_ARGUMENTS} are \
                 taken: use `stdin` or write a file"
            ),
        ));
    }
    Ok(())
}
