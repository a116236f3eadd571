//! The host owner's hand: `cofferdam-agent status`, `metrics`, `freeze`, `unfreeze`,
//! `kill-all`, `ceiling check` and `uninstall --show`.
//!
//! Each works on this host alone, with or without network, gateway, journal's disk
//! and agent. Called by `main` in a process of its own, never by the agent that
//! serves; started as root it becomes the service user for good before anything
//! else, so that all of it is within that user's rights. What takes root then,
//! ending cells whose agent and warden do nothing any more, is systemd's to do:
//! see `hand/kill.rs`.

mod kill;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::ceiling::Current;
use crate::config::{Config, ConfigError};
use crate::control::{self, AskError, Request};
use crate::doctor::{CONFIGURATION, ServiceUser, UserError};
use crate::enrolment::host_name;
use crate::freeze::{FlagError, Freeze, Frozen};
use crate::metrics;
use crate::remains::{Remain, installed};
use crate::status::{Status, at_rest};

pub use kill::{End, kill_all};

/// How long the agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which agent of this host.
#[derive(Debug, Clone, Args)]
pub struct Here {
    /// The configuration.
    #[arg(long, default_value = CONFIGURATION)]
    pub config: PathBuf,
    /// As one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What is done with a ceiling.
#[derive(Debug, Subcommand)]
pub enum OfCeiling {
    /// Read a ceiling as agent and warden would, and say what it means; exit code 1
    /// where it cannot be used.
    Check {
        /// The file; it may be anybody's while it is tried.
        file: PathBuf,
    },
}

/// Why the owner's hand could not do it.
#[derive(Debug, thiserror::Error)]
pub enum HandError {
    /// Root was not given up.
    #[error(transparent)]
    User(#[from] UserError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Metrics have no text.
    #[error("the metrics cannot be written: {0}")]
    Metrics(#[from] std::fmt::Error),
    /// Nothing is frozen.
    #[error("NOT FROZEN: {0}; stop the agent instead: systemctl stop cofferdam-agent")]
    Freeze(#[source] FlagError),
    /// It is frozen still.
    #[error("still frozen: {0}")]
    Unfreeze(#[source] FlagError),
}

/// Becomes the service user where root asks, and reads the configuration.
fn become_user(path: &Path) -> Result<Config, HandError> {
    if let Some(user) = ServiceUser::of(path) {
        user.become_it()?;
    }
    Ok(Config::load(path)?)
}

/// What this host's agent does.
///
/// # Errors
/// Where there is no configuration to ask by.
pub fn status(here: &Here) -> Result<Status, HandError> {
    let config = become_user(&here.config)?;
    match control::ask(&config.control, Request::Status, PATIENCE) {
        Ok(status) => Ok(status),
        Err(error) => Ok(Status { silent: Some(error.to_string()), ..at_rest(&config) }),
    }
}

/// The same in numbers, as OpenMetrics text.
///
/// # Errors
/// Where there is no configuration to ask by.
pub fn metrics(path: &Path) -> Result<String, HandError> {
    let config = become_user(path)?;
    match control::ask(&config.control, Request::Metrics, PATIENCE) {
        Ok(text) => Ok(text),
        Err(_) => Ok(metrics::at_rest(&config)?),
    }
}

/// Freezes this host; gives what is to be known of it.
///
/// # Errors
/// Where nothing is frozen.
pub fn freeze(here: &Here) -> Result<Vec<String>, HandError> {
    let config = become_user(&here.config)?;
    let failed = Freeze::of(&config).raise().map_err(HandError::Freeze)?;
    let mut told = vec![format!(
        "{} is frozen: nothing new starts until `cofferdam-agent unfreeze`. What runs goes on; \
         `cofferdam-agent kill-all` ends it.",
        host_name(&config)
    )];
    let lost = "without this flag the freeze may end with a restart of the host";
    // Without a runtime directory the agent does not run, and the other flag holds.
    told.extend(failed.iter().map(|error| format!("warning: {error}; {lost}")));
    Ok(told)
}

/// Lifts the freeze; gives what is to be known of it.
///
/// # Errors
/// Where it is frozen still.
pub fn unfreeze(here: &Here) -> Result<Vec<String>, HandError> {
    let config = become_user(&here.config)?;
    let freeze = Freeze::of(&config);
    // Before anything starts that it would end.
    let asked = kill::forget(&config.control);
    let was = freeze.lift().map_err(HandError::Unfreeze)?;
    let left: Result<(), Frozen> = freeze.check();
    let told = match (was, left) {
        (_, Err(frozen)) => format!("warning: {frozen}"),
        (true, Ok(())) => format!("{} is not frozen any more", host_name(&config)),
        (false, Ok(())) => format!("{} was not frozen", host_name(&config)),
    };
    let warning = asked.map(|why| format!("warning: {why}; remove it"));
    Ok(std::iter::once(told).chain(warning).collect())
}

/// What of Cofferdam's is on this host.
///
/// # Errors
/// Where root was not given up.
pub fn remains(here: &Here) -> Result<Vec<Remain>, HandError> {
    match become_user(&here.config) {
        Ok(config) => Ok(installed(Some(&config))),
        Err(HandError::Config(_)) => Ok(installed(None)),
        Err(error) => Err(error),
    }
}

/// What a ceiling means, or why it cannot be used.
///
/// # Errors
/// Where it cannot be used; the message has file, line and key.
pub fn check_ceiling(file: &Path) -> Result<Vec<String>, String> {
    if let Some(user) = ServiceUser::of(file) {
        user.become_it().map_err(|error| error.to_string())?;
    }
    // Who tries a ceiling owns it; root's own are anybody's to read.
    let owner = rustix::process::geteuid().as_raw();
    let current = Current::load(file, owner).map_err(|error| error.to_string())?;
    let Current { ceiling, peers, callers, policy, services, digest: _ } = &current;
    let list =
        |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let roots = ceiling.workspaces.roots.iter();
    let roots: Vec<String> = roots.map(|root| root.as_path().display().to_string()).collect();
    let limits = &ceiling.limits;
    let enrolled =
        if peers.enrolled { "; and those of the authority it enrolled with" } else { "" };
    let mut told = vec![
        format!("{} is a ceiling.", file.display()),
        format!("gateways: {}{enrolled}", list(&peers.gateways)),
        format!("callers: {}", callers.describe()),
        format!("workspaces: {}", list(&roots)),
        format!("profiles: {}", list(&ceiling.profiles.allow)),
        format!("cells: at most {}, {} bytes of memory each", limits.cells, limits.memory.0),
    ];
    told.extend(policy.describe().map(|policy| format!("rules: {policy}")));
    told.extend(services.is_something().then(|| "services: some units are shown".to_owned()));
    let warnings = [
        (peers.is_nobody(), "no gateway may call"),
        (callers.is_nobody(), "nobody may be acted for"),
        (roots.is_empty(), "no session has a workspace"),
        (ceiling.network.allow_host, "cells may have the host's own network"),
        (ceiling.workspaces.allow_root_owned, "what cells make may be root's on disk"),
        (ceiling.enforcement.allow_degraded, "cells are built although a protection is missing"),
    ];
    let warnings = warnings.iter().filter(|(holds, _)| *holds);
    told.extend(warnings.map(|(_, warning)| format!("warning: {warning}")));
    Ok(told)
}

/// Why no agent answered, where that is worth telling.
fn told(error: &AskError) -> Option<String> {
    (!matches!(error, AskError::Absent { .. })).then(|| error.to_string())
}
