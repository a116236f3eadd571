//! What the agent needs around it: configuration, ceiling, profiles, keys,
//! journal, warden, workspaces, uids. Each is one line with its remedy; one that
//! fails does not keep the next from being looked at.

use std::path::{Path, PathBuf};

use cofferdam_abilities::{Ability, Need, State};
use cofferdam_ceiling::Ceiling;
use cofferdam_profile::Profiles;
use rustix::process::geteuid;

use super::{
    CONFIGURATION, disk, hand, identity, leases, narrowing, network, places, reach, services,
};
use crate::ceiling::Current;
use crate::config::Config;

/// What was looked at.
#[derive(Debug)]
pub(super) struct Prerequisites {
    lines: Vec<Ability>,
    ceiling: Option<Ceiling>,
}

impl Prerequisites {
    /// Looks at everything that the configuration at `path` names.
    pub(super) fn check(path: &Path) -> Self {
        let config = match Config::load(path) {
            Ok(config) => config,
            Err(error) => {
                let line = missing("agent.configuration", error.to_string())
                    .means("the agent does not start")
                    .fix(format!("mend `{}`, or name another by --config", path.display()));
                return Self { lines: vec![line, leases::line()], ceiling: None };
            }
        };
        let mut lines = vec![
            there(
                "agent.configuration",
                match config.name.as_str() {
                    "" => format!("{}, for the host that its certificate names", path.display()),
                    name => format!("{}, for the host `{name}`", path.display()),
                },
            )
            .means("the agent knows its files, its gateways and its limits"),
        ];
        let (line, ceiling) = ceiling(&config);
        lines.push(line);
        lines.extend(ceiling.iter().flat_map(narrowing::lines));
        let shown = ceiling.iter().map(|current| &current.services);
        lines.extend(shown.flat_map(|shown| services::lines(shown, &config.services)));
        let ceiling = ceiling.map(|current| current.ceiling);
        lines.push(profiles(&config, ceiling.as_ref()));
        lines.push(places::worker(&config.worker, ceiling.as_ref()));
        lines.extend(identity::lines(&config));
        lines.extend(network::lines(&config));
        lines.extend(hand::lines(&config));
        lines.push(places::journal(&config.journal));
        lines.push(reach::warden(config.warden.as_deref()));
        lines.extend(ceiling.iter().flat_map(places::workspaces));
        lines.extend(ceiling.iter().flat_map(disk::bounds));
        lines.push(leases::line());
        Self { lines, ceiling }
    }

    /// The one line of a host without a configuration.
    pub(super) fn not_looked_at() -> Vec<Ability> {
        let detail = format!("there is no {CONFIGURATION}");
        let line = Ability::new("agent.configuration", Need::Required, State::Unknown, detail)
            .means("nothing that the agent needs was looked at")
            .fix("cofferdam-agent doctor --config FILE");
        vec![line, leases::line()]
    }

    /// The directories that sessions may change.
    pub(super) fn roots(&self) -> Vec<PathBuf> {
        let roots = self.ceiling.iter().flat_map(|ceiling| &ceiling.workspaces.roots);
        roots.map(|root| root.as_path().to_owned()).collect()
    }

    pub(super) fn into_lines(self) -> Vec<Ability> {
        self.lines
    }
}

/// A prerequisite that is there.
pub(super) fn there(name: &'static str, detail: impl Into<String>) -> Ability {
    Ability::new(name, Need::Required, State::Full, detail)
}

/// A prerequisite that is not.
pub(super) fn missing(name: &'static str, detail: impl Into<String>) -> Ability {
    Ability::new(name, Need::Required, State::Missing, detail)
}

/// A prerequisite that is there and could be better.
pub(super) fn partial(name: &'static str, detail: impl Into<String>) -> Ability {
    Ability::new(name, Need::Required, State::Partial, detail)
}

fn ceiling(config: &Config) -> (Ability, Option<Current>) {
    let name = "agent.ceiling";
    match Current::load(&config.ceiling, geteuid().as_raw()) {
        Ok(current) if current.peers.is_nobody() => {
            let line = partial(name, format!("{}: trusted", config.ceiling.display()))
                .means("no gateway may call: `[peers]` names none")
                .fix("enrolled = true in `[peers]`, or gateways = [\"spiffe://cofferdam/gateway/NAME\"]");
            (line, Some(current))
        }
        Ok(current) => {
            let line = there(name, format!("{}: trusted", config.ceiling.display()))
                .means("agent and warden refuse whatever is above it");
            (line, Some(current))
        }
        Err(error) => {
            let line = missing(name, error.to_string()).means("nothing is allowed").fix(format!(
                "mend it; an example is packaged, and root must own `{}`",
                config.ceiling.display()
            ));
            (line, None)
        }
    }
}

fn profiles(config: &Config, ceiling: Option<&Ceiling>) -> Ability {
    let name = "agent.profiles";
    let profiles = match Profiles::load(config.profiles.as_deref()) {
        Ok(profiles) => profiles,
        Err(error) => {
            return missing(name, error.to_string())
                .means("the agent does not start")
                .fix("mend the profile, or move it away");
        }
    };
    let known = profiles.names().collect::<Vec<_>>().join(", ");
    let allowed = ceiling.map(|ceiling| ceiling.profiles.allow.as_slice()).unwrap_or_default();
    let unknown: Vec<&str> =
        allowed.iter().map(String::as_str).filter(|it| profiles.get(it).is_none()).collect();
    if unknown.is_empty() {
        there(name, known).means("a grant may name those that the ceiling allows")
    } else {
        partial(name, format!("the ceiling allows {}, unknown here", unknown.join(", ")))
            .means(format!("calls with these are refused; known are {known}"))
            .fix("add NAME.toml to the directory `profiles` of the configuration")
    }
}
