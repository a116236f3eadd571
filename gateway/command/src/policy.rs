//! `cofferdam policy`: are the rules right, and what do they say to a call?
//! Pure: asks no gateway and no host.

mod check;
mod diff;
mod explain;
mod past;
mod replay;
mod shadow;
mod test;
mod told;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use cofferdam_gateway::{Config, ConfigError};
use cofferdam_journal::Broken;
use cofferdam_policy::{ClaimError, RuleErrors, RuleSet};
use cofferdam_trust::sha256;

use crate::report::{Format, failure};

/// The largest rule file, in bytes; a gateway takes no larger one.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What to do with rules.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tells everything that is wrong with rule files, and runs their tests.
    Check(check::Arguments),
    /// Tells what the rules say to a call, and why.
    Explain(Box<explain::Arguments>),
    /// Tells what is different about new rules, and which calls they decide
    /// differently.
    Diff(diff::Arguments),
    /// Tells which recorded calls rules would decide differently.
    Replay(replay::Arguments),
    /// Tells what a gateway's shadow rules would have decided differently.
    Shadow(shadow::Arguments),
    /// Runs the tests in rule files, and tells which rules no test exercises.
    Test(test::Arguments),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// A file cannot be read.
    #[error("cannot read the rule file `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The rules are wrong, so that nothing follows from them.
    #[error("the rules are wrong, and a gateway would not take them:\n{0}")]
    Rules(#[from] RuleErrors),
    /// The claims cannot be taken.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The gateway's configuration.
    #[error("{0}; name the gateway's configuration with --config")]
    Config(#[from] ConfigError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] Broken),
    /// The journal is none of a gateway.
    #[error("this is an agent's journal; give the gateway's, which has the calls as they were asked")]
    AgentsJournal,
    /// The call is none.
    #[error("this is no call: {0}")]
    Call(&'static str),
}

/// The exit codes of all of them: 0 where nothing is to be reported, 1 where
/// something is, 2 where there is no answer.
pub(crate) fn run(command: Command, format: Format) -> ExitCode {
    let answered = match command {
        Command::Check(arguments) => check::run(&arguments, format),
        Command::Explain(arguments) => explain::run(*arguments, format),
        Command::Diff(arguments) => diff::run(&arguments, format),
        Command::Replay(arguments) => replay::run(&arguments, format),
        Command::Shadow(arguments) => shadow::run(&arguments, format),
        Command::Test(arguments) => test::run(&arguments, format),
    };
    answered.unwrap_or_else(|error| {
        failure(&error, format);
        ExitCode::from(2)
    })
}

/// These files, or those that the gateway decides by.
fn files_or_configured(paths: &[PathBuf], config: &Config) -> Result<Files, PolicyError> {
    match paths {
        [] => Files::read(std::slice::from_ref(&config.rules)),
        paths => Files::read(paths),
    }
}

/// Rule files as the parser takes them.
struct Files(Vec<(String, String)>);

impl Files {
    fn read(paths: &[PathBuf]) -> Result<Self, PolicyError> {
        let one = |path: &PathBuf| read(path).map(|text| (path.display().to_string(), text));
        paths.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    fn parse(&self) -> Result<RuleSet, RuleErrors> {
        let files: Vec<_> = self.0.iter().map(|(name, text)| (&**name, &**text)).collect();
        let texts: Vec<&[u8]> = self.0.iter().map(|(_, text)| text.as_bytes()).collect();
        RuleSet::parse(&files, sha256(&texts.concat()))
    }
}

fn read(path: &Path) -> Result<String, PolicyError> {
    let failed = |source| PolicyError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(failed(io::Error::other(format!("it is longer than {MAX_FILE} bytes"))));
    }
    Ok(text)
}
