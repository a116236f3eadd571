//! The few questions that only root can ask, apart from all others, so that a
//! program that was started as root can ask them first and then become an
//! ordinary user.

use std::path::PathBuf;

use crate::audit::Answer;
use crate::trial::{Outcome, Trial, Trials};

/// Answers that only root gets.
#[derive(Debug, Clone)]
pub struct Privileged {
    pub(crate) namespaces: Outcome,
    pub(crate) owners: Vec<(PathBuf, Outcome)>,
    pub(crate) audit: Answer,
}

impl Privileged {
    /// Asks, for these workspaces. Changes nothing; takes no longer than a few
    /// seconds for each workspace on a file system that hangs.
    #[must_use]
    pub fn ask(trials: &Trials, workspaces: &[PathBuf]) -> Self {
        let owners =
            |path: &PathBuf| (path.clone(), trials.make(Trial::MapOwners, Some(path.as_path())));
        Self {
            namespaces: trials.make(Trial::Namespaces, None),
            owners: workspaces.iter().map(owners).collect(),
            audit: Answer::ask(),
        }
    }
}
