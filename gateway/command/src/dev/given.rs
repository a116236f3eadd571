//! Rules and ceiling that the caller gives in place of the built-in ones: read
//! once, with the caller's rights, and checked before agent and gateway start,
//! so that errors name the caller's own files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cofferdam_ceiling::{Ceiling, covers};
use cofferdam_proxy_protocol::Destination;

use super::configuration;
use super::rules::{self, RulesError};
use super::surroundings::Surroundings;

const MAX_RULES: u64 = 4 * 1024 * 1024;

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Given {
    rules: Option<(PathBuf, String)>,
    ceiling: Option<(PathBuf, String)>,
    destinations: Vec<Destination>,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GivenError {
    /// It cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The rules are not taken.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The ceiling is wrong.
    #[error("`{path}` is not a ceiling: {source}")]
    Ceiling {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// File tools could not work.
    #[error(
        "the ceiling `{ceiling}` does not allow the file worker: add \"{worker}\" to `view.read` \
         and to `programs.execute`"
    )]
    Worker {
        /// Which ceiling.
        ceiling: PathBuf,
        /// The worker.
        worker: PathBuf,
    },
}

impl Given {
    /// Reads what was given.
    pub(super) fn read(
        rules: Option<&Path>,
        ceiling: Option<&Path>,
        destinations: Vec<Destination>,
    ) -> Result<Self, GivenError> {
        let mut given = Self { destinations, ..Self::default() };
        if let Some(path) = rules {
            given.rules = Some((path.to_owned(), read(path, MAX_RULES)?));
        }
        if let Some(path) = ceiling {
            let text = read(path, cofferdam_ceiling::MAX_FILE)?;
            given.ceiling = Some((path.to_owned(), text));
        }
        Ok(given)
    }

    /// What commands may reach of the network.
    pub(super) fn destinations(&self) -> &[Destination] {
        &self.destinations
    }

    /// The rules, or the built-in ones, which ask before what begins like `asks`.
    pub(super) fn rules(&self, asks: &[String]) -> Result<String, GivenError> {
        let Some((path, text)) = &self.rules else { return Ok(configuration::rules(asks)) };
        rules::check(path, text)?;
        Ok(text.clone())
    }

    /// The ceiling, or one for these surroundings.
    pub(super) fn ceiling(
        &self,
        surroundings: &Surroundings,
        worker: &Path,
    ) -> Result<String, GivenError> {
        let Some((path, text)) = &self.ceiling else {
            return Ok(configuration::ceiling(surroundings, worker, &self.destinations));
        };
        let ceiling = Ceiling::parse(text)
            .map_err(|source| GivenError::Ceiling { path: path.clone(), source: source.into() })?;
        let has = |roots| covers(roots, worker);
        if has(&ceiling.view.read) && has(&ceiling.programs.execute) {
            return Ok(text.clone());
        }
        Err(GivenError::Worker { ceiling: path.clone(), worker: worker.to_owned() })
    }
}

fn read(path: &Path, limit: u64) -> Result<String, GivenError> {
    let failed = |source| GivenError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > limit {
        return Err(failed(io::Error::other(format!("it is longer than {limit} bytes"))));
    }
    Ok(text)
}
