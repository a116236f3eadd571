//! `cofferdam audit verify`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_journal::{Broken, Verified, verify};
use cofferdam_trust::VerifyingKey;
use serde::Serialize;

use super::trusted;
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
A gateway's journal, with the key that must have signed it:
  cofferdam audit verify /var/lib/cofferdam-gateway/journal --key ed25519:…

The journal's own first key, without --key, is believed: then a journal that was
rewritten from its beginning with another key is not found out.

Exits with 1 when a journal is broken.";

/// Which journals, and whom to believe.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Directories of journals.
    #[arg(required = true, value_name = "DIR")]
    journals: Vec<PathBuf>,
    /// A public key that may sign (`ed25519:…`); may be repeated. Default: the
    /// first key that the journal itself names.
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<VerifyingKey>,
}

#[derive(Debug, Serialize)]
struct Findings {
    journals: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    journal: PathBuf,
    #[serde(flatten)]
    state: State,
}

#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    Whole {
        owner: String,
        records: u64,
        last: String,
        /// Records after the last signed checkpoint.
        unsigned: u64,
        key_ids: Vec<String>,
        /// Bytes of a record that is being written or that a crash tore.
        torn_bytes: u64,
    },
    Broken {
        file: PathBuf,
        /// From 1; 0: the file as a whole.
        line: u64,
        sequence: u64,
        problem: String,
    },
}

pub(super) fn run(arguments: &Arguments, format: Format) -> ExitCode {
    let trusted = trusted(&arguments.keys);
    let check = |journal: &PathBuf| Finding {
        state: verify(journal, trusted.as_ref()).map_or_else(State::from, State::from),
        journal: journal.clone(),
    };
    let findings = Findings { journals: arguments.journals.iter().map(check).collect() };
    let shown = format.show(&findings);
    let whole = |finding: &Finding| matches!(finding.state, State::Whole { .. });
    if findings.journals.iter().all(whole) { shown } else { ExitCode::FAILURE }
}

impl From<Verified> for State {
    fn from(verified: Verified) -> Self {
        let Verified { owner, records, last, unsigned, key_ids, torn } = verified;
        let last = last.to_string();
        Self::Whole { owner, records, last, unsigned, key_ids, torn_bytes: torn }
    }
}

impl From<Broken> for State {
    fn from(broken: Broken) -> Self {
        let Broken { file, line, sequence, fault } = broken;
        Self::Broken { file, line, sequence, problem: fault.to_string() }
    }
}

impl Report for Findings {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for Finding { journal, state } in &self.journals {
            let journal = journal.display();
            match state {
                State::Whole { owner, records, last, unsigned, key_ids, torn_bytes } => {
                    writeln!(out, "{journal}: whole")?;
                    writeln!(out, "  owner     {owner}")?;
                    writeln!(out, "  records   {records}, {unsigned} after the last checkpoint")?;
                    writeln!(out, "  last      {last}")?;
                    writeln!(out, "  signed by {}", key_ids.join(", "))?;
                    if *torn_bytes > 0 {
                        let why = "a record that is being written or that a crash tore";
                        writeln!(out, "  at the end {torn_bytes} bytes of {why}")?;
                    }
                }
                State::Broken { file, line, sequence, problem } => {
                    writeln!(out, "{journal}: BROKEN")?;
                    writeln!(out, "  where     {}, line {line}", file.display())?;
                    writeln!(out, "  record    {sequence}")?;
                    writeln!(out, "  problem   {problem}")?;
                }
            }
        }
        Ok(())
    }
}
