//! `cofferdam audit show`: records in words, or as they stand in the journal.

mod line;
mod sandbox;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_journal::{Body, Call, Record, read};

use super::AuditError;
use crate::report::{Format, complain, settled, write_json};

const EXAMPLES: &str = "\
Everything that was refused:
  cofferdam audit show gateway/journal --kind denial

One run from intent to outcome, as it stands in the journal:
  cofferdam audit show gateway/journal --run 0198c0de-… --json

What happened last:
  cofferdam audit show gateway/journal --tail 10

Showing checks each record by itself; `audit verify` checks the whole journal.
A line that is no record is reported on standard error, and the exit code is 1.";

/// Which records.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The directory of the journal.
    #[arg(value_name = "DIR")]
    journal: PathBuf,
    /// Only the records of this run.
    #[arg(long, value_name = "RUN_ID")]
    run: Option<String>,
    /// Only calls of this tool; their outcomes are found with --run.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only calls of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only records of this kind; may be repeated.
    #[arg(long = "kind", value_name = "KIND", value_parser = KINDS)]
    kinds: Vec<String>,
    /// Only the last so many of those records.
    #[arg(long, value_name = "COUNT")]
    tail: Option<usize>,
}

const KINDS: [&str; 10] = [
    "opened",
    "key",
    "intent",
    "denial",
    "failure",
    "outcome",
    "approval",
    "policy",
    "peer",
    "checkpoint",
];

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, AuditError> {
    let mut out = io::stdout().lock();
    let mut last = VecDeque::new();
    let mut whole = true;
    for record in read(&arguments.journal)? {
        match (record, arguments.tail) {
            (Err(broken), _) => {
                whole = false;
                complain(&format!("cofferdam: {broken}"));
            }
            (Ok(record), _) if !arguments.wants(&record) => {}
            (Ok(record), None) => {
                if let Err(error) = show(&mut out, &record, format) {
                    return Ok(settled(Err(error)));
                }
            }
            (Ok(record), Some(tail)) => {
                last.push_back(record);
                last.drain(..last.len().saturating_sub(tail));
            }
        }
    }
    let rest = last.iter().try_for_each(|record| show(&mut out, record, format));
    let shown = settled(rest.and_then(|()| out.flush()));
    Ok(if whole { shown } else { ExitCode::FAILURE })
}

fn show(out: &mut impl Write, record: &Record, format: Format) -> io::Result<()> {
    match format {
        Format::Human => line::write(out, record),
        Format::Json => write_json(out, &as_json(record)),
    }
}

/// The record with the keys that it has in the journal.
fn as_json(record: &Record) -> serde_json::Value {
    let Record { sequence, time, body, previous, hash } = record;
    let mut value = serde_json::to_value(body).unwrap_or_default();
    value["seq"] = (*sequence).into();
    value["time"] = time.as_str().into();
    value["prev"] = previous.to_string().into();
    value["hash"] = hash.to_string().into();
    value
}

impl Arguments {
    fn wants(&self, record: &Record) -> bool {
        let call = call(&record.body);
        let run = match &record.body {
            Body::Outcome(outcome) => Some(outcome.run_id.as_str()),
            _ => call.map(|call| call.run_id.as_str()),
        };
        let user = call.and_then(|call| call.subject.as_ref()).map(|subject| &*subject.user);
        let tool = call.map(|call| &*call.tool);
        let fits = |wanted: Option<&str>, found: Option<&str>| wanted.is_none() || wanted == found;
        let kind = record.body.kind();
        fits(self.run.as_deref(), run)
            && fits(self.tool.as_deref(), tool)
            && fits(self.user.as_deref(), user)
            && (self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind))
    }
}

/// Who asked for what, where the record says it.
fn call(body: &Body) -> Option<&Call> {
    match body {
        Body::Intent(intent) => Some(&intent.call),
        Body::Denial(denial) => Some(&denial.call),
        Body::Failure(failure) => Some(&failure.call),
        Body::Approval(approval) => Some(&approval.call),
        Body::Opened(_)
        | Body::Key(_)
        | Body::Outcome(_)
        | Body::Policy(_)
        | Body::Peer(_)
        | Body::Checkpoint(_) => None,
    }
}
