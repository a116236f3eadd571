//! What a call wanted, as the parts of a rule that names exactly that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use cofferdam_gateway::approvals::is_visible;
use cofferdam_policy::{Action, Call, Execute, Reading, Word, runs_anything};

/// The parts of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Wanted {
    pub(super) tool: String,
    pub(super) programs: BTreeSet<Program>,
    /// Each with its mode.
    pub(super) paths: BTreeSet<(String, &'static str)>,
    /// Units whose state is read.
    pub(super) services: BTreeSet<String>,
    /// Their journal, too.
    pub(super) journal: bool,
    /// They stand in a command line.
    pub(super) shell: bool,
    pub(super) environment: BTreeSet<String>,
}

/// A program with exactly these arguments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Program {
    name: String,
    arguments: Vec<String>,
}

impl Wanted {
    /// What a call wants.
    ///
    /// # Errors
    /// Why no rule can name exactly that.
    pub(crate) fn of(call: &Call) -> Result<Self, String> {
        let mut wanted = Self { tool: call.tool.clone(), ..Self::default() };
        match &call.action {
            Action::Execute(execute) => wanted.add_execute(execute, &call.project.workspace)?,
            Action::FindProgram { program } => {
                wanted.programs.insert(Program { name: text(program)?, arguments: Vec::new() });
            }
            Action::DescribeHost | Action::ListHosts => {}
            Action::ReadService { what, unit } => {
                if unit.starts_with('@') {
                    return Err(format!("the unit `{unit}` cannot be named: `@` stands for a set"));
                }
                wanted.services.insert(unit.clone());
                wanted.journal = *what == Reading::Journal;
            }
            action => {
                for used in action.files() {
                    wanted.add_path(used.path, if used.writes { "write" } else { "read" })?;
                }
            }
        }
        Ok(wanted)
    }

    fn add_execute(&mut self, execute: &Execute, workspace: &Path) -> Result<(), String> {
        self.environment.clone_from(&execute.environment_names);
        let Some(script) = &execute.script else {
            let arguments = execute.arguments.iter().map(|one| text(one));
            let arguments = arguments.collect::<Result<_, _>>()?;
            return self.add_program(&execute.program, arguments, workspace);
        };
        if let Some(why) = script.opaque.first() {
            return Err(format!(
                "a command line that cannot be seen through is not proposed: {why}"
            ));
        }
        self.shell = true;
        self.environment.extend(script.environment.iter().cloned());
        for command in script.commands.iter().filter(|command| !command.harmless) {
            let arguments = command.arguments.iter().map(|word| match word {
                Word::Literal(literal) => text(literal),
                Word::Unknown { .. } => Err(format!(
                    "`{command}` has a word that is only known when it runs; a rule for it would \
                     permit more than this"
                )),
            });
            let arguments = arguments.collect::<Result<_, _>>()?;
            self.add_program(&command.program, arguments, workspace)?;
        }
        for redirection in &script.redirections {
            self.add_path(&redirection.path, if redirection.writes { "write" } else { "read" })?;
        }
        if self.programs.is_empty() && self.paths.is_empty() {
            return Err("it runs no program of its own; permit command lines by a rule with \
                        `shell = \"parsed\"`"
                .to_owned());
        }
        Ok(())
    }

    fn add_program(
        &mut self,
        program: &[u8],
        arguments: Vec<String>,
        workspace: &Path,
    ) -> Result<(), String> {
        let mut name = text(program)?;
        if name.contains('/') && !name.starts_with('/') {
            name = workspace.join(name.trim_start_matches("./")).display().to_string();
        }
        if name.starts_with('@') {
            return Err(format!("the program `{name}` cannot be named: `@` stands for a set"));
        }
        self.programs.insert(Program { name, arguments });
        Ok(())
    }

    fn add_path(&mut self, path: &[u8], mode: &'static str) -> Result<(), String> {
        let path = text(path)?;
        let inner = path.trim_start_matches("./").trim_end_matches('/');
        let beneath = match inner {
            "" | "." if !path.starts_with('/') => "workspace".to_owned(),
            _ if path.starts_with('/') => path,
            inner => format!("workspace/{inner}"),
        };
        self.paths.insert((beneath, mode));
        Ok(())
    }

    /// The programs in it that can run anything, each with why.
    pub(crate) fn runners(&self) -> BTreeMap<&str, String> {
        let mut found = BTreeMap::new();
        for Program { name, arguments } in &self.programs {
            if let Some(why) = runs_anything(name, arguments) {
                found.insert(name.rsplit('/').next().unwrap_or_default(), why);
            }
        }
        found
    }

    /// All but one of its programs and paths, once for each.
    pub(super) fn without_one(&self) -> Vec<Self> {
        let programs = self.programs.iter().map(|one| {
            let programs = self.programs.iter().filter(|other| *other != one).cloned().collect();
            Self { programs, ..self.clone() }
        });
        let paths = self.paths.iter().map(|one| {
            let paths = self.paths.iter().filter(|other| *other != one).cloned().collect();
            Self { paths, ..self.clone() }
        });
        programs
            .chain(paths)
            .filter(|rest| !rest.programs.is_empty() || !rest.paths.is_empty())
            .collect()
    }

    /// Lines of a rule.
    pub(crate) fn write(&self, out: &mut String) {
        let Self { tool, programs, paths, services, journal, shell, environment } = self;
        let _ = writeln!(out, "tools = [{}]", quoted(tool));
        if !programs.is_empty() {
            out.push_str("programs = [\n");
            for Program { name, arguments } in programs {
                let key = if name.starts_with('/') { "path" } else { "name" };
                let arguments: Vec<String> = arguments.iter().map(|one| quoted(one)).collect();
                let (name, arguments) = (quoted(name), arguments.join(", "));
                let _ = writeln!(out, "    {{ {key} = {name}, args = [{arguments}] }},");
            }
            out.push_str("]\n");
        }
        if !paths.is_empty() {
            out.push_str("paths = [\n");
            for (beneath, mode) in paths {
                let _ =
                    writeln!(out, "    {{ beneath = {}, mode = \"{mode}\" }},", quoted(beneath));
            }
            out.push_str("]\n");
        }
        if !services.is_empty() {
            let names: Vec<String> = services.iter().map(|name| quoted(name)).collect();
            let _ = writeln!(out, "services = [{}]", names.join(", "));
            if *journal {
                out.push_str("journal = true\n");
            }
        }
        if *shell {
            out.push_str("shell = \"parsed\"\n");
        }
        if !environment.is_empty() {
            let names: Vec<String> = environment.iter().map(|name| quoted(name)).collect();
            let _ = writeln!(out, "environment = [{}]", names.join(", "));
        }
    }
}

/// A text of TOML with nothing in it that a terminal would act on or not show:
/// whoever reads what is proposed sees what the rules would say.
pub(crate) fn quoted(text: &str) -> String {
    toml_text(&serde_json::Value::from(text))
}

/// A text, or an array of texts. TOML writes them as JSON does, which escapes
/// less than this.
pub(crate) fn toml_text(value: &serde_json::Value) -> String {
    let one = |c: char| {
        if is_visible(c) { c.to_string() } else { format!("\\U{:08X}", u32::from(c)) }
    };
    value.to_string().chars().map(one).collect()
}

/// A name that a selector takes for nothing but itself.
pub(crate) fn literal(name: &str) -> Result<&str, String> {
    if name.is_empty() || name.starts_with('@') || name.contains(['*', '?']) {
        return Err(format!("`{name}` cannot be selected by its name alone"));
    }
    Ok(name)
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "it is not text".to_owned())
}
