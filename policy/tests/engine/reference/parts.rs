//! A call, taken apart, and whether one rule permits or guards one part.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use cofferdam_policy::{Action, Call, Execute, Reading, Word};
use toml::Table;

use super::conditions::are_met;
use super::paths::{self, Place, Use, place};
use super::programs::Around;
use super::{Rules, Sure, effect, glob, strings, tables, units};

/// Something that has to be permitted.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Program {
        name: Vec<u8>,
        words: Vec<Word>,
        in_line: bool,
        harmless: bool,
    },
    /// A command line that cannot be seen through.
    Opaque,
    /// A command line in which nothing runs.
    Shell,
    Path(Use),
    Lookup(Vec<u8>),
    /// Units: the name or glob, and whether it is their journal.
    Units(String, bool),
    /// A process that was started before.
    Process,
    /// A tool that names neither program nor path.
    Tool,
}

/// All of a call.
#[derive(Debug)]
pub(crate) struct Parts<'c> {
    pub(crate) list: Vec<Part>,
    pub(crate) around: Around<'c>,
    variables: BTreeSet<String>,
    interactive: bool,
}

impl Part {
    pub(crate) fn is_harmless(&self) -> bool {
        matches!(self, Self::Program { harmless: true, .. })
    }

    fn runs(&self) -> bool {
        matches!(self, Self::Program { .. } | Self::Opaque | Self::Shell)
    }
}

/// Takes a call apart; `None` for one that cannot be judged, which is denied.
pub(crate) fn parts(call: &Call) -> Option<Parts<'_>> {
    let workspace = call.project.workspace();
    let mut parts = Parts {
        list: Vec::new(),
        around: Around { workspace, directory: Some(workspace.to_owned()) },
        variables: BTreeSet::new(),
        interactive: matches!(&call.action, Action::Execute(execute) if execute.interactive),
    };
    match &call.action {
        Action::Process(_) => parts.list.push(Part::Process),
        Action::DescribeHost | Action::ListHosts => parts.list.push(Part::Tool),
        Action::FindProgram { program } if !program.contains(&0) => {
            parts.list.push(Part::Lookup(program.clone()));
        }
        Action::FindProgram { .. } => return None,
        Action::ReadService { what, unit } => {
            if !units::is_right(unit, *what == Reading::List) {
                return None;
            }
            parts.list.push(Part::Units(unit.clone(), *what == Reading::Journal));
        }
        Action::Execute(execute) => add_execute(&mut parts, execute)?,
        file => {
            for (path, writes, deep) in used(file) {
                let place = place(path, Some(workspace), workspace)?;
                parts.list.push(Part::Path(Use { place, writes, deep }));
            }
        }
    }
    Some(parts)
}

/// Each path of a file action, whether it is changed, and with what is beneath.
fn used(file: &Action) -> Vec<(&[u8], bool, bool)> {
    match file {
        Action::ReadFile { path } | Action::StatFile { path } => vec![(path, false, false)],
        Action::ReadFiles { paths } => paths.iter().map(|path| (&**path, false, false)).collect(),
        Action::ListDirectory { path, recursive } => vec![(path, false, *recursive)],
        Action::SearchFiles { path } | Action::WatchFiles { path } => vec![(path, false, true)],
        Action::WriteFile { path } | Action::EditFile { path } | Action::MakeDirectory { path } => {
            vec![(path, true, false)]
        }
        Action::DeleteFile { path, recursive } => vec![(path, true, *recursive)],
        Action::MoveFile { from, to, recursive } => {
            vec![(from, true, *recursive), (to, true, *recursive)]
        }
        Action::CopyFile { from, to, recursive } => {
            vec![(from, false, *recursive), (to, true, *recursive)]
        }
        other => panic!("no file action: {other:?}"),
    }
}

fn add_execute(parts: &mut Parts<'_>, execute: &Execute) -> Option<()> {
    let workspace = parts.around.workspace;
    let texts = execute.arguments.iter().chain([&execute.program, &execute.working_directory]);
    if execute.program.is_empty() || texts.into_iter().any(|text| text.contains(&0)) {
        return None;
    }
    if execute.environment_names.iter().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return None;
    }
    if !execute.working_directory.is_empty() {
        match place(&execute.working_directory, Some(workspace), workspace)? {
            Place::At(path) if path.starts_with(workspace) => parts.around.directory = Some(path),
            _ => return None,
        }
    }
    parts.variables.extend(execute.environment_names.iter().cloned());
    let Some(script) = &execute.script else {
        let words = execute.arguments.iter().cloned().map(Word::Literal).collect();
        let name = execute.program.clone();
        parts.list.push(Part::Program { name, words, in_line: false, harmless: false });
        return Some(());
    };
    if !script.directories.iter().all(|directory| may_enter(directory, workspace)) {
        return None;
    }
    if !script.directories.is_empty() {
        parts.around.directory = None;
    }
    parts.variables.extend(script.environment.iter().cloned());
    let opaque = script.is_opaque();
    if opaque {
        parts.list.push(Part::Opaque);
    }
    for command in &script.commands {
        parts.list.push(Part::Program {
            name: command.program.clone(),
            words: command.arguments.clone(),
            in_line: true,
            // Of an opaque line nothing has to be permitted but the line.
            harmless: command.harmless || opaque,
        });
    }
    if !opaque && script.commands.iter().all(|command| command.harmless) {
        parts.list.push(Part::Shell);
    }
    for redirection in &script.redirections {
        let place = place(&redirection.path, parts.around.directory.as_deref(), workspace)?;
        parts.list.push(Part::Path(Use { place, writes: redirection.writes, deep: false }));
    }
    Some(())
}

fn may_enter(directory: &[u8], workspace: &Path) -> bool {
    let Ok(text) = std::str::from_utf8(directory) else { return false };
    if text.starts_with('/') {
        return matches!(place(directory, None, workspace), Some(Place::At(at)) if at.starts_with(workspace));
    }
    !text.is_empty() && Path::new(text).components().all(|part| part != Component::ParentDir)
}

impl Rules {
    /// Whether a deny or ask rule is about a part, or may be.
    pub(crate) fn guards(&self, rule: &Table, part: &Part, parts: &Parts<'_>, call: &Call) -> Sure {
        let (programs, paths) = (tables(rule, "programs"), tables(rule, "paths"));
        let nothing = programs.is_empty() && paths.is_empty() && !rule.contains_key("services");
        if matches!(part, Part::Process) {
            // Only a rule for the very tool, or for every tool, forbids it.
            return match (nothing, self.names_tool(rule, call), rule.contains_key("tools")) {
                (true, true, _) | (true, _, false) => Sure::Yes,
                (false, true, _) => Sure::Perhaps,
                _ => Sure::No,
            };
        }
        if programs.is_empty() && paths.is_empty() && !rule.contains_key("services") {
            return Sure::Yes;
        }
        let best = |all: Vec<Sure>| all.into_iter().max().unwrap_or(Sure::No);
        match part {
            Part::Program { name, words, .. } => best(
                programs.iter().map(|one| self.program(one, name, words, &parts.around)).collect(),
            ),
            Part::Path(used) => best(
                paths.iter().map(|one| paths::guards(one, used, parts.around.workspace)).collect(),
            ),
            // Anything may run in it.
            Part::Opaque => Sure::Perhaps,
            Part::Shell => Sure::No,
            Part::Lookup(name) => best(
                programs
                    .iter()
                    .filter(|one| !one.contains_key("args"))
                    .map(|one| self.which(one, name, &parts.around))
                    .collect(),
            ),
            Part::Units(unit, journal) => self.guards_units(rule, unit, *journal),
            Part::Process | Part::Tool => Sure::when(self.names_tool(rule, call)),
        }
    }

    /// How specifically an allow or ask rule permits a part: the narrower program
    /// or path, then the number of selectors.
    pub(crate) fn permits(
        &self,
        rule: &Table,
        is_base: bool,
        part: &Part,
        parts: &Parts<'_>,
        call: &Call,
    ) -> Option<((u8, usize, bool), usize)> {
        let shell = rule.get("shell").map_or("refuse", |shell| shell.as_str().unwrap());
        let programs = tables(rule, "programs");
        let narrowest = match part {
            Part::Program { name, words, in_line, .. } => {
                if *in_line && shell == "refuse" {
                    return None;
                }
                programs
                    .iter()
                    .filter(|one| self.program(one, name, words, &parts.around) == Sure::Yes)
                    .map(|one| narrowness(one))
                    .max()?
            }
            Part::Lookup(name) => programs
                .iter()
                .filter(|one| self.which(one, name, &parts.around) == Sure::Yes)
                .map(|one| narrowness(one))
                .max()?,
            Part::Path(used) => tables(rule, "paths")
                .iter()
                .filter(|one| paths::permits(one, used, parts.around.workspace) == Sure::Yes)
                .map(|one| {
                    let root =
                        paths::root(one["beneath"].as_str().unwrap(), parts.around.workspace);
                    (0, root.components().count(), false)
                })
                .max()?,
            Part::Units(unit, journal) => self.permits_units(rule, unit, *journal)?,
            Part::Opaque if shell == "opaque" && !programs.is_empty() => (0, 0, false),
            Part::Shell if shell != "refuse" && !programs.is_empty() => (0, 0, false),
            Part::Process if !programs.is_empty() => (0, 0, false),
            Part::Process | Part::Tool if self.names_tool(rule, call) => (0, 0, false),
            Part::Opaque | Part::Shell | Part::Process | Part::Tool => return None,
        };
        if part.runs() && !self.may_set(rule, is_base, &parts.variables) {
            return None;
        }
        let other_tool = rule.contains_key("tools") && !self.names_tool(rule, call);
        if other_tool && !matches!(part, Part::Process) {
            return None;
        }
        // What is typed later is seen by nobody.
        if part.runs() && is_base && parts.interactive {
            let says_so = shell == "opaque" || self.names_tool(rule, call);
            if !says_so {
                return None;
            }
        }
        assert_ne!(effect(rule), "deny");
        if !are_met(rule, call) {
            return None;
        }
        Some((narrowest, selectors(rule)))
    }

    fn names_tool(&self, rule: &Table, call: &Call) -> bool {
        rule.get("tools").is_some_and(|tools| {
            self.expand(&strings(tools)).iter().any(|one| glob::matches(one, &call.tool))
        })
    }

    /// A narrower scope that says nothing of variables leaves them as they are.
    /// Variables that steer what runs have to be named, not matched.
    fn may_set(&self, rule: &Table, is_base: bool, variables: &BTreeSet<String>) -> bool {
        let allowed = match rule.get("environment") {
            Some(list) => self.expand(&strings(list)),
            None if is_base => Vec::new(),
            None => return true,
        };
        variables.iter().all(|name| {
            allowed.iter().any(|one| {
                one == name
                    || (glob::matches(one, name) && !["PATH", "LD_PRELOAD"].contains(&&**name))
            })
        })
    }
}

/// Kind, then length, then whether it speaks of arguments.
fn narrowness(pattern: &Table) -> (u8, usize, bool) {
    let kind = match () {
        () if pattern.contains_key("any") => (0, 0),
        () if pattern.contains_key("under") => (1, pattern["under"].as_str().unwrap().len()),
        () if pattern.contains_key("path") => (3, 0),
        () => (2, 0),
    };
    (kind.0, kind.1, pattern.contains_key("args"))
}

/// How many kinds of selection a rule makes.
fn selectors(rule: &Table) -> usize {
    let count = |table: Option<&toml::Value>| {
        table.map_or(0, |table| {
            let table = table.as_table().unwrap();
            let inner = |key: &str| table.get(key).map_or(0, |all| all.as_table().unwrap().len());
            let plain = table.keys().filter(|key| !["labels", "claims"].contains(&key.as_str()));
            plain.count() + inner("labels") + inner("claims")
        })
    };
    count(rule.get("subjects"))
        + count(rule.get("hosts"))
        + ["projects", "tools"].iter().filter(|key| rule.contains_key(**key)).count()
}
