//! `cofferdam-agent programs`: what programs bring along into a cell, as a table
//! or as JSON. Called by `main` in a process of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cofferdam_profile::{Profile, ProfileError, Profiles};
use cofferdam_programs::{Combined, Need, Resolution, ResolveError, RulesError};
use serde::Serialize;

use super::Programs;
use crate::config::{Config, ConfigError};
use crate::doctor::CONFIGURATION;

/// What is to be shown.
#[derive(Debug, Clone, clap::Args)]
pub struct Request {
    /// Programs: absolute paths, or names that are looked up as in a cell.
    #[arg(required = true)]
    names: Vec<PathBuf>,
    /// The configuration, for profiles of the host's own [default:
    /// /etc/cofferdam/agent.toml, if there].
    #[arg(long)]
    config: Option<PathBuf>,
    /// The profile whose search path counts.
    #[arg(long, default_value = "default")]
    profile: String,
    /// As one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The profiles.
    #[error(transparent)]
    Profiles(#[from] ProfileError),
    /// No such profile.
    #[error("this host has no profile `{name}`; it has {known}")]
    UnknownProfile {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No such program.
    #[error("there is no program `{name}` in {path}; name it by an absolute path")]
    Missing {
        /// What was asked for.
        name: String,
        /// The search path.
        path: String,
    },
    /// The helper rules.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Too much to look at.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

/// What was found.
#[derive(Debug)]
pub struct Shown(std::sync::Arc<Combined>);

/// Resolves what was asked for. Reads what the caller of the command may read.
///
/// # Errors
/// See [`ShowError`].
pub fn show(request: &Request) -> Result<Shown, ShowError> {
    let config = match &request.config {
        Some(path) => Some(Config::load(path)?),
        None if Path::new(CONFIGURATION).exists() => Some(Config::load(CONFIGURATION.as_ref())?),
        None => None,
    };
    let profiles = Profiles::load(config.and_then(|config| config.profiles).as_deref())?;
    let profile = profiles.get(&request.profile).ok_or_else(|| ShowError::UnknownProfile {
        name: request.profile.clone(),
        known: profiles.names().collect::<Vec<_>>().join(", "),
    })?;
    let find = |name| find(name, profile);
    let programs = request.names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    Ok(Shown(Programs::new()?.resolver(profile).resolve_all(&programs)?))
}

fn find(name: &PathBuf, profile: &Profile) -> Result<PathBuf, ShowError> {
    let missing = || {
        let path: Vec<String> = profile.search_path.iter().map(ToString::to_string).collect();
        ShowError::Missing { name: name.display().to_string(), path: path.join(":") }
    };
    if name.is_absolute() {
        return Ok(name.clone());
    }
    let directories = profile.search_path.iter().filter(|_| name.components().count() == 1);
    directories.map(|it| it.as_path().join(name)).find(|it| it.is_file()).ok_or_else(missing)
}

impl Shown {
    /// For a person.
    #[must_use]
    pub fn print(&self) -> String {
        let known: Vec<&String> = self.0.resolutions.iter().flat_map(|it| &it.notes).collect();
        let more = self.0.notes.iter().filter(|note| !known.contains(note));
        more.fold(self.0.explain(), |text, note| text + "note     " + note + "\n")
    }
}

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Page<'a> {
            programs: Vec<OnWire<'a>>,
            notes: Vec<&'a str>,
        }
        let programs = self.0.resolutions.iter().map(OnWire::of).collect();
        let notes = self.0.notes.iter().map(String::as_str).collect();
        Page { programs, notes }.serialize(serializer)
    }
}

/// A resolution. Paths that are no UTF-8 are shown as near as can be.
#[derive(Serialize)]
struct OnWire<'a> {
    program: String,
    real: String,
    kind: String,
    links: BTreeMap<String, String>,
    needs: Vec<NeedOnWire>,
    left_out: BTreeMap<String, &'a str>,
}

#[derive(Serialize)]
struct NeedOnWire {
    path: String,
    directory: bool,
    rights: String,
    why: String,
}

impl<'a> OnWire<'a> {
    fn of(resolution: &'a Resolution) -> Self {
        // The notes of all stand together.
        let Resolution { asked, real, links, kind, needs, left_out, notes: _ } = resolution;
        Self {
            program: text(asked),
            real: text(real),
            kind: kind.to_string(),
            links: links.iter().map(|(at, to)| (text(at), text(to))).collect(),
            needs: needs.iter().map(NeedOnWire::of).collect(),
            left_out: left_out.iter().map(|(at, why)| (text(at), why.as_str())).collect(),
        }
    }
}

impl NeedOnWire {
    fn of(need: &Need) -> Self {
        let Need { path, rights, directory, why } = need;
        let (rights, why) = (rights.to_string(), why.to_string());
        Self { path: text(path), directory: *directory, rights, why }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
