//! `cofferdam-agent doctor`: what this host can enforce, what the agent finds
//! of what it needs, and which lines of the checklist that leaves open.
//!
//! Called by `main` in a process of its own, never by the agent that serves.
//! Changes nothing. Started as root it asks the few questions that only root
//! can ask and then becomes the service user for good, before it connects to
//! anything or reads a key.

mod disk;
mod findings;
mod hand;
mod identity;
mod leases;
mod narrowing;
mod network;
mod page;
mod places;
mod prerequisites;
mod print;
mod reach;
mod services;
mod user;

use std::path::{Path, PathBuf};

use cofferdam_abilities::{Privileged, Question, Trials, probe_for};

use crate::config::Config;
use prerequisites::Prerequisites;

pub use findings::{Findings, OpenLine};
pub use leases::LEASES;
pub use page::Page;
pub use user::{ServiceUser, UserError};

/// Where packages put the configuration.
pub const CONFIGURATION: &str = "/etc/cofferdam/agent.toml";

/// What doctor is to look at.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// The configuration; without one, [`CONFIGURATION`] if it is there.
    pub config: Option<PathBuf>,
}

impl Subject {
    /// The configuration's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(CONFIGURATION))
    }

    /// Nobody named a configuration, and there is none.
    fn is_bare(&self) -> bool {
        self.config.is_none() && !self.path().exists()
    }
}

/// Looks at the host and its configuration. Must run in the only thread.
///
/// # Errors
/// Where root could not be given up.
pub fn examine(subject: &Subject) -> Result<Findings, UserError> {
    let trials = Trials::by_this_program();
    let user = ServiceUser::of(subject.path());
    let privileged = match &user {
        Some(user) => {
            let roots = workspace_roots(subject, user.uid());
            let asked = Privileged::ask(&trials, &roots);
            user.become_it()?;
            Some(asked)
        }
        None => None,
    };
    let prerequisites = (!subject.is_bare()).then(|| Prerequisites::check(subject.path()));
    let workspaces = prerequisites.as_ref().map(Prerequisites::roots).unwrap_or_default();
    let abilities = probe_for(Question { trials: Some(trials), workspaces, privileged });
    let lines = prerequisites.map_or_else(Prerequisites::not_looked_at, Prerequisites::into_lines);
    Ok(Findings::new(abilities, lines, user.is_some()))
}

/// The directories of the ceiling; none where it cannot be trusted. The only
/// files that are read as root; both are bounded TOML, and what they say is
/// used as paths of trials alone.
fn workspace_roots(subject: &Subject, owner: u32) -> Vec<PathBuf> {
    let Ok(config) = Config::load(subject.path()) else { return Vec::new() };
    let Ok((ceiling, _)) = cofferdam_ceiling::load(&config.ceiling, owner) else {
        return Vec::new();
    };
    ceiling.workspaces.roots.iter().map(|root| root.as_path().to_owned()).collect()
}
