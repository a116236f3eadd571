//! `cofferdam profile`: what profiles there are, what each means, and what of it
//! this kernel enforces. Reads files and asks the kernel; changes nothing, and
//! needs no privilege.

mod enforced;
mod list;
mod page;
mod show;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use cofferdam_profile::{ProfileError, Profiles};

use crate::report::Format;

/// What to do with profiles.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the profiles.
    List(list::Arguments),
    /// Tells what a profile means, and what of it this kernel enforces.
    Show(show::Arguments),
}

/// Whose profiles.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// A host's own profiles, besides the built-in ones: `profiles` of agent.toml.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileCommandError {
    /// A profile is wrong, so that an agent would not start.
    #[error(transparent)]
    Profiles(#[from] ProfileError),
    /// There is none of that name.
    #[error("there is no profile `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

pub(crate) fn run(command: Command, format: Format) -> Result<ExitCode, ProfileCommandError> {
    match command {
        Command::List(arguments) => list::run(&arguments, format),
        Command::Show(arguments) => show::run(&arguments, format),
    }
}

impl Source {
    fn load(&self) -> Result<Profiles, ProfileError> {
        Profiles::load(self.directory.as_deref())
    }
}
