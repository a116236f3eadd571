//! `cofferdam policy`: are the rules right, and what do they say to a call?
//! Pure: asks no gateway and no host.

mod asked;
mod check;
mod diff;
mod explain;
mod key;
pub(crate) mod learn;
mod past;
mod replay;
mod shadow;
mod sign;
mod simulate;
mod test;
mod told;
mod verify;
mod who_can;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use cofferdam_authority::OwnerError;
use cofferdam_gateway::rule_files::{RuleFiles, RuleFilesError};
use cofferdam_gateway::signed_rules::SignedRulesError;
use cofferdam_gateway::tokens::TokenError;
use cofferdam_gateway::{Config, ConfigError};
use cofferdam_journal::Broken;
use cofferdam_policy::{ClaimError, RuleErrors, RuleSet, SCHEMA};
use cofferdam_trust::KeyError;

use crate::report::{Format, failure, settled};

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
    /// Proposes rules for calls that were denied because no rule permits them.
    Learn(learn::Arguments),
    /// Tells who may do something, who after an approval, and who may not.
    WhoCan(Box<who_can::Arguments>),
    /// Decides calls that are typed in, line by line.
    Simulate(simulate::Arguments),
    /// Runs the tests in rule files, and tells which rules no test exercises.
    Test(test::Arguments),
    /// Makes a key that signs rules, and shows its public part.
    Key(key::Arguments),
    /// Signs rules as a version, into one file that gateways and hosts can trust.
    Sign(sign::Arguments),
    /// Tells whether signed rules are what their publisher signed.
    Verify(verify::Arguments),
    /// Prints the JSON Schema of rule files, with which editors complete them.
    #[command(after_help = SCHEMA_EXAMPLE)]
    Schema,
}

const SCHEMA_EXAMPLE: &str = "\
For an editor that completes TOML by schemas (the first line of the rules names it):
  cofferdam policy schema > rules.schema.json
  sed -i '1i #:schema ./rules.schema.json' rules.toml";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// A file cannot be read.
    #[error(transparent)]
    Files(#[from] RuleFilesError),
    /// The rules are wrong, so that nothing follows from them.
    #[error("the rules are wrong, and a gateway would not take them:\n{0}")]
    Rules(#[from] RuleErrors),
    /// The claims cannot be taken.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The gateway's configuration.
    #[error("{0}; name the gateway's configuration with --config")]
    Config(#[from] ConfigError),
    /// The hosts that joined.
    #[error("the hosts that joined cannot be read: {0}")]
    Joined(#[from] OwnerError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] Broken),
    /// The journal is none of a gateway.
    #[error(
        "this is an agent's journal; give the gateway's, which has the calls as they were asked"
    )]
    AgentsJournal,
    /// Something else than a rule file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A bundle under another name would be taken for plain rules.
    #[error("`{0}` does not end with `.bundle`, by which signed rules are told from plain ones")]
    NotABundle(PathBuf),
    /// The rules do something else than their tests expect.
    #[error(
        "{0} tests of these rules fail, and no gateway would take them: see `cofferdam policy test`"
    )]
    Tests(usize),
    /// A bundle is not what its publisher signed, or cannot be made.
    #[error(transparent)]
    Signed(#[from] SignedRulesError),
    /// The publisher's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The call is none.
    #[error("this is no call: {0}")]
    Call(&'static str),
}

/// The exit codes of those that look for something (check, test, explain, diff,
/// replay, shadow, verify): 0 where nothing is to be reported, 1 where something
/// is. Those that only tell or make something (who-can, simulate, learn, key, sign,
/// schema) have no 1. Of all of them 2 means that there is no answer.
pub(crate) fn run(command: Command, format: Format) -> ExitCode {
    let answered = match command {
        Command::Check(arguments) => check::run(&arguments, format),
        Command::Explain(arguments) => explain::run(*arguments, format),
        Command::Diff(arguments) => diff::run(&arguments, format),
        Command::Replay(arguments) => replay::run(&arguments, format),
        Command::Shadow(arguments) => shadow::run(&arguments, format),
        Command::Learn(arguments) => learn::run(&arguments, format),
        Command::WhoCan(arguments) => who_can::run(&arguments, format),
        Command::Simulate(arguments) => simulate::run(&arguments, format),
        Command::Test(arguments) => test::run(&arguments, format),
        Command::Key(arguments) => key::run(&arguments, format),
        Command::Sign(arguments) => sign::run(&arguments, format),
        Command::Verify(arguments) => verify::run(&arguments, format),
        Command::Schema => Ok(settled(io::stdout().write_all(SCHEMA.as_bytes()))),
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

/// Rule files with all that they include.
struct Files(RuleFiles);

impl Files {
    fn read(paths: &[PathBuf]) -> Result<Self, PolicyError> {
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        Ok(Self(RuleFiles::load(&paths)?))
    }

    fn parse(&self) -> Result<RuleSet, RuleErrors> {
        self.parse_with(None)
    }

    /// Together with one more, given as name and text.
    fn parse_with(&self, more: Option<(&str, &str)>) -> Result<RuleSet, RuleErrors> {
        self.0.parse_with(more)
    }
}
