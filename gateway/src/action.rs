//! The action that the rules decide on, read off the very message that a host
//! will get, so that what is decided is what is done.

mod file;

use cofferdam_policy::{Action, Execute, ProcessUse, Reading};
use cofferdam_proto::exec::v1::{
    Command, EnvironmentVariable, ProgramQuery, RunInput, RunSignal, RunSize,
};
use cofferdam_proto::file::v1::{DirectoryList, FileEdit, FileRead, FileSearch, FileWrite};
use cofferdam_proto::host::v1::{HostQuery, ServiceQuery, ServiceReading};
use prost::{Message, Name};

/// A message that asks a host to act.
pub(crate) trait WireAction: Message + Name + Clone + Send + Sync + 'static {
    /// What it asks.
    fn action(&self) -> Action;
}

/// The message that runs `execute` with what the rules do not look at.
pub(crate) fn command(
    execute: Execute,
    environment: Vec<EnvironmentVariable>,
    stdin: Vec<u8>,
) -> Command {
    let Execute {
        program,
        arguments,
        script: _,
        working_directory,
        environment_names: _,
        has_stdin: _,
        interactive: _,
    } = execute;
    Command { program, arguments, working_directory, environment, stdin, ..Command::default() }
}

impl WireAction for Command {
    fn action(&self) -> Action {
        // How long it and its cell live is the host's and the profile's matter.
        let Self {
            program,
            arguments,
            working_directory,
            environment,
            stdin,
            background: _,
            one_shot: _,
            stdin_open,
            terminal,
        } = self;
        let execute = match as_command_line(program, arguments) {
            Some(execute) => execute,
            None => Execute::program(program.clone(), arguments.clone()),
        };
        Action::Execute(Execute {
            working_directory: working_directory.clone(),
            environment_names: environment.iter().map(|variable| variable.name.clone()).collect(),
            has_stdin: !stdin.is_empty() || *stdin_open || terminal.is_some(),
            interactive: *stdin_open || terminal.is_some(),
            ..execute
        })
    }
}

/// A shell with a command line, exactly as [`Execute::command_line`] starts it.
fn as_command_line(program: &[u8], arguments: &[Vec<u8>]) -> Option<Execute> {
    let line = arguments.last()?;
    if program != cofferdam_policy::SHELL.as_bytes() {
        return None;
    }
    let execute = Execute::command_line(line.clone());
    (execute.arguments == arguments).then_some(execute)
}

impl WireAction for FileRead {
    fn action(&self) -> Action {
        let Self { path, offset: _, length: _, lines: _, whole_image: _, encoding: _ } = self;
        Action::ReadFile { path: path.clone() }
    }
}

impl WireAction for FileWrite {
    fn action(&self) -> Action {
        let Self { path, data: _, precondition: _, make_parents: _, mode: _, append: _ } = self;
        Action::WriteFile { path: path.clone() }
    }
}

impl WireAction for FileEdit {
    fn action(&self) -> Action {
        let Self { path, replacements: _, patch: _, encoding: _, expected_sha256: _, dry_run: _ } =
            self;
        Action::EditFile { path: path.clone() }
    }
}

impl WireAction for DirectoryList {
    fn action(&self) -> Action {
        let Self {
            path,
            depth,
            respect_ignore_files: _,
            include_hidden: _,
            max_entries: _,
            after: _,
        } = self;
        Action::ListDirectory { path: path.clone(), recursive: *depth > 1 }
    }
}

impl WireAction for FileSearch {
    fn action(&self) -> Action {
        let Self {
            path,
            content: _,
            name: _,
            fixed_string: _,
            ignore_case: _,
            respect_ignore_files: _,
            include_hidden: _,
            max_matches: _,
            context_lines: _,
            types: _,
            types_not: _,
            skip: _,
        } = self;
        Action::SearchFiles { path: path.clone() }
    }
}

impl WireAction for RunInput {
    fn action(&self) -> Action {
        // What is written, a program reads that no rule sees into.
        let Self { run_id: _, offset: _, data: _, end: _ } = self;
        Action::Process(ProcessUse::Write)
    }
}

impl WireAction for RunSize {
    fn action(&self) -> Action {
        let Self { run_id: _, terminal: _ } = self;
        Action::Process(ProcessUse::Resize)
    }
}

impl WireAction for RunSignal {
    fn action(&self) -> Action {
        let Self { run_id: _, signal: _ } = self;
        Action::Process(ProcessUse::Signal)
    }
}

impl WireAction for ProgramQuery {
    fn action(&self) -> Action {
        let Self { program } = self;
        Action::FindProgram { program: program.clone().into_bytes() }
    }
}

impl WireAction for HostQuery {
    fn action(&self) -> Action {
        let Self {} = self;
        Action::DescribeHost
    }
}

impl WireAction for ServiceQuery {
    fn action(&self) -> Action {
        // Which entries of a journal is no matter of the rules.
        let Self { what: _, unit, journal: _ } = self;
        let what = match self.what() {
            ServiceReading::List => Reading::List,
            ServiceReading::Status => Reading::Status,
            // What says nothing is judged as what says most.
            ServiceReading::Journal | ServiceReading::Unspecified => Reading::Journal,
        };
        Action::ReadService { what, unit: unit.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_decided_on_as_a_script_and_a_program_is_not() {
        let line = command(Execute::command_line("git status | head"), Vec::new(), Vec::new());
        let Action::Execute(execute) = line.action() else { panic!("it runs something") };
        assert!(execute.script.is_some());
        let program = Execute::program("git", vec![b"status".to_vec()]);
        let Action::Execute(execute) = command(program, Vec::new(), Vec::new()).action() else {
            panic!("it runs something")
        };
        assert!(execute.script.is_none());
    }

    #[test]
    fn the_rules_see_directory_environment_and_stdin() {
        let variable = EnvironmentVariable { name: "LANG".into(), value: b"C".to_vec() };
        let mut run = command(Execute::program("cat", Vec::new()), vec![variable], b"x".to_vec());
        run.working_directory = b"src".to_vec();
        let Action::Execute(execute) = run.action() else { panic!("it runs something") };
        assert_eq!(execute.working_directory, b"src");
        assert!(execute.environment_names.contains("LANG") && execute.has_stdin);
    }
}
