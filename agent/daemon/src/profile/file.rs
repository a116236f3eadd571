//! A profile's file, raw, and how it becomes a [`Profile`].

use std::collections::BTreeMap;

use cofferdam_ceiling::{Bytes, Millis};
use cofferdam_plan::AbsolutePath;
use serde::Deserialize;

use super::{Profile, ProfileError, ProfileLimits, Scratch};
use crate::environment;
use crate::trees::{Tree, covers, minimal};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    version: u32,
    #[serde(default)]
    description: String,
    workspace: WorkspaceSection,
    view: ViewSection,
    programs: ProgramsSection,
    home: ScratchSection,
    #[serde(default)]
    scratch: Vec<ScratchSection>,
    #[serde(default)]
    network: NetworkSection,
    syscalls: SyscallsSection,
    limits: LimitsSection,
    #[serde(default)]
    environment: EnvironmentSection,
    #[serde(default)]
    enforcement: EnforcementSection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkspaceSection {
    access: AccessWord,
    #[serde(default)]
    execute: bool,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum AccessWord {
    Read,
    Write,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewSection {
    /// What is mounted; without it, what may be read or executed.
    show: Option<Vec<String>>,
    read: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramsSection {
    path: Vec<String>,
    execute: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScratchSection {
    path: String,
    size: Bytes,
    #[serde(default)]
    execute: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct NetworkSection {
    #[serde(default)]
    mode: NetworkWord,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum NetworkWord {
    #[default]
    None,
    Host,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SyscallsSection {
    filter: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsSection {
    memory: Bytes,
    #[serde(default)]
    swap: Bytes,
    processes: u32,
    cpu_millis: u32,
    wall: Millis,
    output: Bytes,
    file_size: Bytes,
    open_files: u32,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct EnvironmentSection {
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    allow: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct EnforcementSection {
    #[serde(default)]
    allow_degraded: bool,
}

impl File {
    pub(super) fn resolve(self, name: &str) -> Result<Profile, ProfileError> {
        let wrong = |key, problem: String| ProfileError::Value { name: name.into(), key, problem };
        if self.version != 1 {
            return Err(wrong("version", format!("is {}; this agent reads 1", self.version)));
        }
        let trees = |key, texts: &[String]| trees(texts).map_err(|problem| wrong(key, problem));
        let path = |key, text: &str| {
            AbsolutePath::new(text).map_err(|problem| wrong(key, format!("`{text}`: {problem}")))
        };
        let view = |key, texts: &[String]| {
            // What is shown is shown with all beneath it, with or without a slash.
            let whole = |tree: Tree| Tree { exact: false, ..tree };
            trees(key, texts).map(|trees| trees.into_iter().map(whole).collect::<Vec<_>>())
        };
        let read = view("view.read", &self.view.read)?;
        let programs = trees("programs.execute", &self.programs.execute)?;
        let show = match &self.view.show {
            Some(show) => view("view.show", show)?,
            None => minimal([read.clone(), programs.clone()].concat()),
        };
        let search_path = self
            .programs
            .path
            .iter()
            .map(|directory| path("programs.path", directory))
            .collect::<Result<Vec<_>, _>>()?;
        if search_path.is_empty() || search_path.len() > 64 {
            return Err(wrong("programs.path", "needs 1 to 64 directories".to_owned()));
        }
        let home = path("home.path", &self.home.path)?;
        let scratch = scratch_places(&self.home, &self.scratch)
            .map_err(|(key, problem)| wrong(key, problem))?;
        if let Some(place) = scratch.iter().find(|place| covers(&show, place.path.as_path())) {
            let problem = format!("`{}` lies in what `view.show` mounts", place.path);
            return Err(wrong("scratch.path", problem));
        }
        if cofferdam_filter::by_name(&self.syscalls.filter).is_none() {
            let problem = format!("names no filter: `{}`", self.syscalls.filter);
            return Err(wrong("syscalls.filter", problem));
        }
        environment::check_profile(&self.environment.set, &self.environment.allow)
            .map_err(|problem| wrong("environment", problem))?;
        Ok(Profile {
            name: name.to_owned(),
            description: self.description,
            write: self.workspace.access == AccessWord::Write,
            execute: self.workspace.execute,
            show,
            read,
            programs,
            search_path,
            home,
            scratch,
            host_network: self.network.mode == NetworkWord::Host,
            filter: self.syscalls.filter,
            limits: self.limits.resolve().map_err(|problem| wrong("limits", problem))?,
            environment: self.environment.set,
            allowed_variables: self.environment.allow,
            allow_degraded: self.enforcement.allow_degraded,
        })
    }
}

impl LimitsSection {
    fn resolve(self) -> Result<ProfileLimits, String> {
        let Self { memory, swap, processes, cpu_millis, wall, output, file_size, open_files } =
            self;
        for (name, value) in [
            ("memory", memory.0),
            ("processes", processes.into()),
            ("cpu_millis", cpu_millis.into()),
            ("wall", wall.0),
            ("output", output.0),
            ("file_size", file_size.0),
            ("open_files", open_files.into()),
        ] {
            if value == 0 {
                return Err(format!("`{name}` is 0: nothing could run"));
            }
        }
        Ok(ProfileLimits {
            memory_bytes: memory.0,
            swap_bytes: swap.0,
            processes,
            cpu_millis,
            wall_millis: wall.0,
            output_bytes: output.0,
            file_size_bytes: file_size.0,
            open_files,
        })
    }
}

fn trees(texts: &[String]) -> Result<Vec<Tree>, String> {
    let parse = |text: &String| {
        Tree::parse(text)
            .ok_or_else(|| format!("`{text}` is not an absolute path without `.`, `..` or `//`"))
    };
    texts.iter().map(parse).collect()
}

type Problem = (&'static str, String);

/// The scratch places, the home first.
fn scratch_places(
    home: &ScratchSection,
    others: &[ScratchSection],
) -> Result<Vec<Scratch>, Problem> {
    let place = |section: &ScratchSection| {
        let path = AbsolutePath::new(section.path.as_str())
            .map_err(|problem| ("scratch.path", format!("`{}`: {problem}", section.path)))?;
        let bytes = section.size.0;
        if bytes < 4096 {
            return Err(("scratch.size", format!("`{path}` has less than 4 KiB")));
        }
        Ok(Scratch { path, bytes, execute: section.execute })
    };
    let places: Vec<_> = [home].into_iter().chain(others).map(place).collect::<Result<_, _>>()?;
    match places.len() {
        0..=16 => Ok(places),
        _ => Err(("scratch", "has more than 16 places".to_owned())),
    }
}
