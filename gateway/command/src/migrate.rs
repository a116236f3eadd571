//! `cofferdam migrate`: reads the files of earlier systems and writes what there is
//! here instead.
//!
//! Two kinds of file are read: a host agent's JSON (`allowed_commands`,
//! `blocked_commands`, `path_restrictions`, `resource_limits`, timeouts, a token), and
//! a JSON with the servers of projects behind one bearer token. Out of them come
//! rules, a ceiling, and a gateway's hosts and projects.
//!
//! Invariants: whatever was read is either in what was written or in the report,
//! with the reason; no secret is copied or shown; what was allowed by a string is
//! allowed for the program and arguments that the string plainly names, and never for
//! more; rules and ceiling are read by their own parsers before anything is written;
//! nothing is overwritten.

mod agent;
mod commands;
mod document;
mod found;
mod output;
mod servers;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueHint};
use cofferdam_gateway::approvals::visible;
use serde::Serialize;

use crate::report::{Format, Report};

use found::{Found, Line};
use output::OutputError;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

const EXAMPLES: &str = "\
The configuration of a host's old agent:
  cofferdam migrate --agent /etc/mcp-host-agent/config.json --out migrated

With the project servers of an old manager:
  cofferdam migrate --agent config.json --servers servers.json --out migrated

Then read what was written, try it, and take it over:
  cofferdam policy check migrated/rules.toml

Exits with 0 when the files were written, whether or not something has no
equivalent; with 1 when nothing was.

--json: {written: [PATH], lines: [{file, key, value, became, note}]}; where
`became` is null, there is no equivalent, and `note` says why and what to do";

/// What to read, and where to write.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The configuration of an old host agent, JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "servers")]
    agent: Option<PathBuf>,
    /// The list of project servers of an old manager, JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    servers: Option<PathBuf>,
    /// The directory to write into; made where it is missing.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// The gateway that the ceiling lets call the host's agent.
    #[arg(long, value_name = "NAME", default_value = "main")]
    gateway: String,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than any configuration.
    #[error("`{0}` is larger than 4 MiB, which no configuration is; name the right file")]
    Large(PathBuf),
    /// Not JSON.
    #[error("`{path}` is not JSON: {source}")]
    NotJson {
        /// Which.
        path: PathBuf,
        /// With line and column.
        source: serde_json::Error,
    },
    /// JSON of something else.
    #[error("`{path}` is not {expected}: {problem}")]
    Other {
        /// Which.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What is missing.
        problem: String,
    },
    /// The gateway's name cannot be one.
    #[error(transparent)]
    Name(#[from] cofferdam_trust::NameError),
    /// The result could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// What was written, and what became of each thing that was read.
#[derive(Debug, Serialize)]
struct Migrated {
    written: Vec<PathBuf>,
    lines: Vec<Line>,
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, MigrateError> {
    let Arguments { agent, servers, out, gateway } = arguments;
    let mut found = Found::default();
    if let Some(path) = agent {
        agent::read(&read(path)?, path, &mut found)?;
    }
    if let Some(path) = servers {
        servers::read(&read(path)?, path, &mut found)?;
    }
    let texts = output::texts(&mut found, gateway)?;
    let written = output::write(&texts, out)?;
    Ok(format.show(&Migrated { written, lines: found.lines }))
}

/// For the fuzzer alone: the files that come out of these two, by their names; an error
/// says that what was read came out as nothing that could be taken.
#[cfg(fuzzing)]
pub fn fuzzed(agent: &[u8], servers: &[u8]) -> Result<Vec<(&'static str, String)>, String> {
    let mut found = Found::default();
    let path = Path::new("old.json");
    let read = serde_json::from_slice(agent)
        .is_ok_and(|it| agent::read(&it, path, &mut found).is_ok())
        | serde_json::from_slice(servers)
            .is_ok_and(|it| servers::read(&it, path, &mut found).is_ok());
    if !read {
        return Ok(Vec::new());
    }
    output::texts(&mut found, "main").map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<serde_json::Value, MigrateError> {
    let failed = |source| MigrateError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(MigrateError::Large(path.to_owned()));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    serde_json::from_slice(&bytes)
        .map_err(|source| MigrateError::NotJson { path: path.to_owned(), source })
}

impl Report for Migrated {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Written:")?;
        for path in &self.written {
            writeln!(out, "  {}", path.display())?;
        }
        let (kept, lost): (Vec<_>, Vec<_>) =
            self.lines.iter().partition(|line| line.became.is_some());
        show(out, "What became of it:", &kept)?;
        show(out, "No equivalent:", &lost)?;
        writeln!(out)?;
        writeln!(out, "Read the files, then try them: cofferdam policy check rules.toml")
    }
}

fn show(out: &mut dyn Write, head: &str, lines: &[&Line]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{head}")?;
    for Line { file: _, key, value, became, note } in lines {
        writeln!(out, "  {} {}", visible(key), visible(value))?;
        if let Some(became) = became {
            writeln!(out, "      {}", visible(became))?;
        }
        if !note.is_empty() {
            writeln!(out, "      {note}")?;
        }
    }
    Ok(())
}
