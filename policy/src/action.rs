//! What is asked: a tool call made concrete.
//!
//! Programs, arguments and paths are bytes, as the kernel takes them. The
//! gateway builds a [`Call`]; only [`crate::RuleSet::decide`] judges it.

mod file_use;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::shell::Script;
use crate::subject::Subject;
use crate::text::shown;
pub use file_use::FileUse;

/// The tools that rules can name. A rule that names another is refused when it
/// is loaded, because a misspelt name would never match. All are tools of MCP but
/// `download_file` and `upload_file`, by which people copy files of any size.
pub const TOOLS: [&str; 26] = [
    "execute_command",
    "start_process",
    "read_process",
    "write_process",
    "resize_process",
    "signal_process",
    "wait_process",
    "list_processes",
    "read_file",
    "read_files",
    "write_file",
    "edit_file",
    "stat_file",
    "make_directory",
    "move_file",
    "copy_file",
    "delete_file",
    "list_directory",
    "search_files",
    "watch_files",
    "download_file",
    "upload_file",
    "get_system_info",
    "check_command_exists",
    "list_hosts",
    "read_service",
];

/// Other tools whose rules are looked at for `tool`: who may start something may use
/// it, and what forbids `execute_command` something forbids it `start_process`, too.
pub(crate) fn akin(tool: &str) -> &'static [&'static str] {
    match (tool, ProcessUse::by(tool)) {
        ("start_process", _) => &["execute_command"],
        (_, Some(_)) => &["execute_command", "start_process"],
        _ => &[],
    }
}

/// One call: who wants what done where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who asks.
    pub subject: Subject,
    /// In which project.
    pub project: Project,
    /// On which host.
    pub host: Host,
    /// The tool that was called; one of [`TOOLS`].
    pub tool: String,
    /// What is asked.
    pub action: Action,
    /// When it is asked. Rules are valid from and until, or at certain hours.
    pub at: Timestamp,
}

/// The project of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// The absolute path of its workspace on the host.
    pub workspace: PathBuf,
}

/// The host of a call. A call that concerns no host ([`Action::ListHosts`])
/// leaves the name empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The layers that it said it can hold a cell with; none: it has not said.
    pub layers: Option<BTreeSet<String>>,
}

/// What is asked. Paths are absolute or relative to the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run a program, or a shell with a script.
    Execute(Execute),
    /// Read a file's content.
    ReadFile {
        /// The file.
        path: Vec<u8>,
    },
    /// Create, replace or extend a file.
    WriteFile {
        /// The file.
        path: Vec<u8>,
    },
    /// Read several files' contents.
    ReadFiles {
        /// The files.
        paths: Vec<Vec<u8>>,
    },
    /// Change a part of a file.
    EditFile {
        /// The file.
        path: Vec<u8>,
    },
    /// Make a directory.
    MakeDirectory {
        /// The directory.
        path: Vec<u8>,
    },
    /// Give a file another name.
    MoveFile {
        /// The file.
        from: Vec<u8>,
        /// Its new name.
        to: Vec<u8>,
        /// It may be a directory, with all that is in it.
        recursive: bool,
    },
    /// Make another file with the same content.
    CopyFile {
        /// The file.
        from: Vec<u8>,
        /// The other one.
        to: Vec<u8>,
        /// It may be a directory, with all that is in it.
        recursive: bool,
    },
    /// Remove a file or directory.
    DeleteFile {
        /// The file.
        path: Vec<u8>,
        /// With all that is in it.
        recursive: bool,
    },
    /// Wait for changes of everything beneath a path.
    WatchFiles {
        /// The file or directory.
        path: Vec<u8>,
    },
    /// List a directory.
    ListDirectory {
        /// The directory.
        path: Vec<u8>,
        /// Also what lies deeper than the directory itself.
        recursive: bool,
    },
    /// Search names or contents of everything beneath a path.
    SearchFiles {
        /// Where to search.
        path: Vec<u8>,
    },
    /// Tell a file's kind, size and times.
    StatFile {
        /// The file.
        path: Vec<u8>,
    },
    /// Tell which program a name would start.
    FindProgram {
        /// A name, or an absolute path.
        program: Vec<u8>,
    },
    /// Use a process that the caller started before.
    Process(ProcessUse),
    /// Tell about the host itself.
    DescribeHost,
    /// Tell which hosts there are.
    ListHosts,
    /// Tell about units of the host's service manager.
    ReadService {
        /// What of them.
        what: Reading,
        /// The whole name of one unit; of a list a glob.
        unit: String,
    },
}

/// What of units is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The state of each unit of a glob.
    List,
    /// The state of one unit.
    Status,
    /// What one unit wrote to the journal.
    Journal,
}

impl Reading {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::List, Self::Status, Self::Journal];

    /// As rule files and callers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Status => "status",
            Self::Journal => "journal",
        }
    }

    /// In words that a unit follows.
    fn verb(self) -> &'static str {
        match self {
            Self::List => "list the units",
            Self::Status => "read the state of",
            Self::Journal => "read the journal of",
        }
    }
}

/// What is done with a process that runs or has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessUse {
    /// Tell which there are.
    List,
    /// Read what it printed, or wait for it.
    Read,
    /// Give it something to read.
    Write,
    /// Change the size of its terminal.
    Resize,
    /// Send it a signal, or end it.
    Signal,
}

impl ProcessUse {
    /// What a tool does with processes; `None`: it is for something else.
    #[must_use]
    pub fn by(tool: &str) -> Option<Self> {
        Some(match tool {
            "list_processes" => Self::List,
            "read_process" | "wait_process" => Self::Read,
            "write_process" => Self::Write,
            "resize_process" => Self::Resize,
            "signal_process" => Self::Signal,
            _ => return None,
        })
    }
}

/// Running a program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Execute {
    /// A name, or a path.
    pub program: Vec<u8>,
    /// What follows the program's own name.
    pub arguments: Vec<Vec<u8>>,
    /// Set where `program` is a shell and the last argument a command line.
    pub script: Option<Script>,
    /// Absolute, or relative to the workspace; empty: the workspace.
    pub working_directory: Vec<u8>,
    /// Names of the variables that the caller sets.
    pub environment_names: BTreeSet<String>,
    /// Bytes are given on standard input.
    pub has_stdin: bool,
    /// It gets a terminal, or a standard input that stays open: what is typed there
    /// later is seen by no rule.
    pub interactive: bool,
}

/// The shell that command lines run in.
pub const SHELL: &str = "/bin/bash";

impl Execute {
    /// A program with its arguments, in the workspace.
    pub fn program(program: impl Into<Vec<u8>>, arguments: Vec<Vec<u8>>) -> Self {
        Self { program: program.into(), arguments, ..Self::default() }
    }

    /// A shell command line, in the workspace: [`SHELL`] without start-up
    /// files, and the line parsed so that rules see each command in it.
    pub fn command_line(line: impl Into<Vec<u8>>) -> Self {
        let line = line.into();
        let script = Some(Script::parse(&line));
        let mut arguments: Vec<Vec<u8>> =
            ["--noprofile", "--norc", "-c"].map(|text| text.as_bytes().to_vec()).into();
        arguments.push(line);
        Self { program: SHELL.into(), arguments, script, ..Self::default() }
    }
}

impl Action {
    /// Whether the action can run a program or change a file.
    #[must_use]
    pub fn changes(&self) -> bool {
        matches!(self, Self::Execute(_)) || self.files().iter().any(|used| used.writes)
    }
}

/// In plain words, bounded: `run git status`, `read src/main.rs`.
impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execute(Execute { script: Some(_), arguments, .. }) => {
                let line = arguments.last().map(Vec::as_slice).unwrap_or_default();
                write!(out, "run the command line `{}`", shown(line))
            }
            Self::Execute(Execute { program, arguments, .. }) => {
                write!(out, "run `{}", shown(program))?;
                for argument in arguments.iter().take(16) {
                    write!(out, " {}", shown(argument))?;
                }
                out.write_str(if arguments.len() > 16 { " …`" } else { "`" })
            }
            Self::ReadFile { path } => write!(out, "read `{}`", shown(path)),
            Self::WriteFile { path } => write!(out, "write `{}`", shown(path)),
            Self::ReadFiles { paths } => {
                let first = paths.first().map(Vec::as_slice).unwrap_or_default();
                write!(out, "read `{}`", shown(first))?;
                match paths.len() {
                    0 | 1 => Ok(()),
                    many => write!(out, " and {} more", many - 1),
                }
            }
            Self::EditFile { path } => write!(out, "edit `{}`", shown(path)),
            Self::MakeDirectory { path } => write!(out, "make the directory `{}`", shown(path)),
            Self::MoveFile { from, to, recursive: _ } => {
                write!(out, "move `{}` to `{}`", shown(from), shown(to))
            }
            Self::CopyFile { from, to, recursive: _ } => {
                write!(out, "copy `{}` to `{}`", shown(from), shown(to))
            }
            Self::DeleteFile { path, recursive: false } => write!(out, "remove `{}`", shown(path)),
            Self::DeleteFile { path, recursive: true } => {
                write!(out, "remove `{}` and everything beneath", shown(path))
            }
            Self::WatchFiles { path } => write!(out, "watch `{}`", shown(path)),
            Self::ListDirectory { path, recursive: false } => {
                write!(out, "list `{}`", shown(path))
            }
            Self::ListDirectory { path, recursive: true } => {
                write!(out, "list everything beneath `{}`", shown(path))
            }
            Self::SearchFiles { path } => write!(out, "search beneath `{}`", shown(path)),
            Self::StatFile { path } => write!(out, "look at `{}`", shown(path)),
            Self::FindProgram { program } => write!(out, "look up `{}`", shown(program)),
            Self::Process(used) => out.write_str(match used {
                ProcessUse::List => "list processes of one's own",
                ProcessUse::Read => "read a process of one's own",
                ProcessUse::Write => "write to a process of one's own",
                ProcessUse::Resize => "resize the terminal of a process of one's own",
                ProcessUse::Signal => "send a signal to a process of one's own",
            }),
            Self::DescribeHost => out.write_str("describe the host"),
            Self::ListHosts => out.write_str("list the hosts"),
            Self::ReadService { what, unit } => {
                write!(out, "{} `{}`", what.verb(), shown(unit.as_bytes()))
            }
        }
    }
}

impl Project {
    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }
}
