//! A call taken apart into what rules can judge one by one: the program or each
//! command of a command line, each path, the shell itself.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::action::{Action, Call, Execute, FileUse, Reading};
use crate::decision::{Finding, Reason, Verdict};
use crate::path::{Directory, Location, PathProblem, locate};
use crate::rules::Surroundings;
use crate::rules::place::{Mode, PathUse};
use crate::rules::service::{UnitUse, Units};
use crate::shell::{Script, SimpleCommand, Word};
use crate::text::shown;

/// The most words of a call: programs and arguments of all its commands. Rules hold
/// each against many patterns, and nobody waits for a decision.
const MAX_WORDS: usize = 4096;

/// The most of them that are not known before running: each may stand for any number
/// of words, and so be met by every pattern of a list.
const MAX_UNKNOWN: usize = 256;

/// A call, taken apart.
pub(super) struct Question<'a> {
    pub(super) call: &'a Call,
    pub(super) parts: Vec<Part<'a>>,
    /// Where the call starts; `None`: not known, after `cd`.
    directory: Option<PathBuf>,
    /// Variables that the caller or the script sets.
    pub(super) environment: BTreeSet<&'a str>,
    /// The call wants a terminal, or an input that stays open.
    pub(super) interactive: bool,
}

/// Something that a rule can permit or deny.
pub(super) enum Part<'a> {
    /// A program with its arguments.
    Program(Program<'a>),
    /// A command line that cannot be seen through.
    Opaque(&'a [String]),
    /// A command line of nothing but harmless commands.
    Shell,
    /// A path that the call itself uses.
    Path { used: PathUse, label: String },
    /// Units of the host, of which something is read.
    Service { used: UnitUse, label: String },
    /// Looking up where a program is.
    Lookup(&'a [u8]),
    /// What is done with a process that the caller started.
    Process(&'a Action),
    /// Something that names neither program nor path.
    Host(&'a Action),
}

/// A program with its arguments.
pub(super) struct Program<'a> {
    pub(super) name: &'a [u8],
    pub(super) arguments: Vec<Word>,
    /// It stands in a command line.
    pub(super) in_script: bool,
    harmless: bool,
    /// Only looked at to deny: the script as a whole is judged as opaque.
    seen_only: bool,
    label: String,
}

impl<'a> Question<'a> {
    pub(super) fn of(call: &'a Call) -> Result<Self, Reason> {
        let workspace = call.project.workspace();
        let all = |parts| Self {
            call,
            parts,
            directory: Some(workspace.to_owned()),
            environment: BTreeSet::new(),
            interactive: false,
        };
        let one = |part| all(vec![part]);
        match &call.action {
            Action::Process(_) => Ok(one(Part::Process(&call.action))),
            Action::DescribeHost | Action::ListHosts => Ok(one(Part::Host(&call.action))),
            Action::FindProgram { program } => {
                if program.contains(&0) {
                    return Err(unclear(&call.action, "the name holds a NUL byte"));
                }
                Ok(one(Part::Lookup(program)))
            }
            Action::Execute(execute) => Self::of_execute(call, execute),
            Action::ReadService { what, unit } => {
                let used = unit_use(*what, unit).map_err(|why| unclear(&call.action, &why))?;
                Ok(one(Part::Service { used, label: call.action.to_string() }))
            }
            action => {
                let files = action.files();
                let alone = files.len() == 1;
                let part = |used: &FileUse<'_>| file_part(action, used, alone, workspace);
                let parts = files.iter().map(part).collect::<Result<_, _>>()?;
                Ok(all(parts))
            }
        }
    }

    fn of_execute(call: &'a Call, execute: &'a Execute) -> Result<Self, Reason> {
        let workspace = call.project.workspace();
        check_words(&call.action, 1 + execute.arguments.len())?;
        check_bytes(&call.action, execute)?;
        let directory = working_directory(call, execute)?;
        let mut question = Self {
            call,
            parts: Vec::new(),
            directory: Some(directory),
            environment: execute.environment_names.iter().map(String::as_str).collect(),
            interactive: execute.interactive,
        };
        match &execute.script {
            None => {
                let arguments = execute.arguments.iter().cloned().map(Word::Literal).collect();
                question.parts.push(Part::Program(Program {
                    name: &execute.program,
                    arguments,
                    in_script: false,
                    harmless: false,
                    seen_only: false,
                    label: call.action.to_string(),
                }));
            }
            Some(script) => question.add_script(script, workspace)?,
        }
        Ok(question)
    }

    fn add_script(&mut self, script: &'a Script, workspace: &Path) -> Result<(), Reason> {
        let action = &self.call.action;
        check_words(action, script.commands.iter().map(|it| 1 + it.arguments.len()).sum())?;
        check_unknown(action, script)?;
        for directory in &script.directories {
            check_cd(directory, workspace).map_err(|why| unclear(action, &why))?;
        }
        if !script.directories.is_empty() {
            self.directory = None;
        }
        self.environment.extend(script.environment.iter().map(String::as_str));
        let opaque = script.is_opaque();
        if opaque {
            self.parts.push(Part::Opaque(&script.opaque));
        }
        for command in &script.commands {
            self.parts.push(Part::Program(Program::of(command, opaque)));
        }
        for redirection in &script.redirections {
            let part = redirection_part(redirection, self.directory(), workspace, action)?;
            self.parts.push(part);
        }
        // Some rule has to permit that a shell runs at all.
        let runs = |part: &Part<'_>| matches!(part, Part::Program(program) if !program.harmless);
        if !opaque && !self.parts.iter().any(runs) {
            self.parts.push(Part::Shell);
        }
        Ok(())
    }

    /// What programs and arguments are seen against.
    pub(super) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { workspace: self.call.project.workspace(), directory: self.directory() }
    }

    /// Where relative paths start.
    fn directory(&self) -> Directory<'_> {
        self.directory.as_deref().map_or(Directory::Somewhere, Directory::At)
    }
}

impl<'a> Program<'a> {
    fn of(command: &'a SimpleCommand, opaque: bool) -> Self {
        Self {
            name: &command.program,
            arguments: command.arguments.clone(),
            in_script: true,
            harmless: command.harmless,
            seen_only: opaque,
            label: format!("run `{command}`"),
        }
    }
}

impl Part<'_> {
    /// Whether it needs no rule of its own.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(self, Self::Program(program) if program.harmless || program.seen_only)
    }

    /// What it is, in words that follow «to».
    pub(super) fn label(&self) -> String {
        match self {
            Self::Program(program) => program.label.clone(),
            Self::Opaque(_) => "run a command line that cannot be seen through".to_owned(),
            Self::Shell => "run a command line".to_owned(),
            Self::Path { label, .. } | Self::Service { label, .. } => label.clone(),
            Self::Lookup(program) => format!("look up `{}`", shown(program)),
            Self::Process(action) | Self::Host(action) => action.to_string(),
        }
    }

    /// Why a match is not certain.
    pub(super) fn doubt(&self) -> String {
        match self {
            Self::Opaque(why) => why.first().cloned().unwrap_or_default(),
            Self::Program(_) => "the program or an argument is not known before running".to_owned(),
            Self::Path { .. } => "it reaches what the rule names".to_owned(),
            Self::Service { .. } => "the rule names some of these units".to_owned(),
            Self::Process(_) => "which program it is, is not looked at".to_owned(),
            Self::Shell | Self::Lookup(_) | Self::Host(_) => {
                "it is not known before running".to_owned()
            }
        }
    }

    pub(super) fn verdict(&self, finding: Finding) -> Verdict {
        Verdict { part: self.label(), finding }
    }
}

/// A list names units by a glob, whatever else names one.
fn unit_use(what: Reading, unit: &str) -> Result<UnitUse, String> {
    let units = match what {
        Reading::List => Units::glob(unit),
        Reading::Status | Reading::Journal => Units::one(unit),
    };
    let units = units.map_err(|why| format!("`{}` {why}", shown(unit.as_bytes())))?;
    Ok(UnitUse { units, journal: what == Reading::Journal })
}

/// One of the paths that a file action uses; where it uses several, told which.
fn file_part<'a>(
    action: &Action,
    used: &FileUse<'_>,
    alone: bool,
    workspace: &Path,
) -> Result<Part<'a>, Reason> {
    let FileUse { path, writes, recursive } = *used;
    let location = locate(path, Directory::At(workspace), workspace)
        .map_err(|problem| unclear_path(action, path, problem))?;
    let (mode, verb) = if writes { (Mode::Write, "changes") } else { (Mode::Read, "reads") };
    let label = if alone {
        action.to_string()
    } else {
        format!("{action}, which {verb} `{}`", shown(path))
    };
    Ok(Part::Path { used: PathUse { location, mode, recursive }, label })
}

fn redirection_part<'a>(
    redirection: &crate::shell::Redirection,
    directory: Directory<'_>,
    workspace: &Path,
    action: &Action,
) -> Result<Part<'a>, Reason> {
    let path = &redirection.path;
    let location = locate(path, directory, workspace)
        .map_err(|problem| unclear_path(action, path, problem))?;
    let (mode, verb) =
        if redirection.writes { (Mode::Write, "write") } else { (Mode::Read, "read") };
    let used = PathUse { location, mode, recursive: false };
    Ok(Part::Path { used, label: format!("{verb} `{}` by redirection", shown(path)) })
}

fn check_words(action: &Action, words: usize) -> Result<(), Reason> {
    if words <= MAX_WORDS {
        return Ok(());
    }
    let why = format!(
        "it has {words} words; at most {MAX_WORDS} are taken: split it, or have the program read \
         them from a file or its input"
    );
    Err(unclear(action, &why))
}

fn check_unknown(action: &Action, script: &Script) -> Result<(), Reason> {
    let words = script.commands.iter().flat_map(|command| &command.arguments);
    let unknown = words.filter(|word| matches!(word, Word::Unknown { .. })).count();
    if unknown <= MAX_UNKNOWN {
        return Ok(());
    }
    let why = format!(
        "it has {unknown} words that are not known before running; at most {MAX_UNKNOWN} are \
         taken: write them out, or split it"
    );
    Err(unclear(action, &why))
}

fn check_bytes(action: &Action, execute: &Execute) -> Result<(), Reason> {
    if execute.program.is_empty() {
        return Err(unclear(action, "the program is empty; give a name or a path"));
    }
    let all = execute.arguments.iter().chain([&execute.program, &execute.working_directory]);
    if all.into_iter().any(|bytes| bytes.contains(&0)) {
        return Err(unclear(action, "it holds a NUL byte, which no program can be given"));
    }
    let odd = |name: &String| name.is_empty() || name.contains(['=', '\0']);
    match execute.environment_names.iter().find(|name| odd(name)) {
        Some(name) => {
            let why = format!("`{}` is not a name of a variable", shown(name.as_bytes()));
            Err(unclear(action, &why))
        }
        None => Ok(()),
    }
}

fn working_directory(call: &Call, execute: &Execute) -> Result<PathBuf, Reason> {
    let workspace = call.project.workspace();
    if execute.working_directory.is_empty() {
        return Ok(workspace.to_owned());
    }
    let problem = match locate(&execute.working_directory, Directory::At(workspace), workspace) {
        Ok(Location::At(path)) if path.starts_with(workspace) => return Ok(path),
        Ok(_) => "is outside of the workspace".to_owned(),
        Err(problem) => problem.to_string(),
    };
    let why = format!(
        "the working directory `{}` {problem}; the workspace is `{}`",
        shown(&execute.working_directory),
        workspace.display()
    );
    Err(unclear(&call.action, &why))
}

/// `cd` may only lead to places in the workspace. After one `cd` the next one
/// starts from a place that is not known, so `..` is refused.
fn check_cd(directory: &[u8], workspace: &Path) -> Result<(), String> {
    let inside = if directory.starts_with(b"/") {
        match locate(directory, Directory::Somewhere, workspace) {
            Ok(Location::At(path)) => path.starts_with(workspace),
            Ok(Location::InWorkspace | Location::Anywhere) | Err(_) => false,
        }
    } else {
        Path::new(OsStr::from_bytes(directory))
            .components()
            .all(|part| !matches!(part, Component::ParentDir))
    };
    if inside && !directory.is_empty() {
        return Ok(());
    }
    Err(format!(
        "`cd {}` may lead out of the workspace; give a directory in it, without `..`",
        shown(directory)
    ))
}

fn unclear(action: &Action, why: &str) -> Reason {
    Reason::Unclear { part: action.to_string(), why: why.to_owned() }
}

fn unclear_path(action: &Action, path: &[u8], problem: PathProblem) -> Reason {
    unclear(action, &format!("the path `{}` {problem}", shown(path)))
}
