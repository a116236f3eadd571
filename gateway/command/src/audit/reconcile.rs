//! `cofferdam audit reconcile`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_journal::{Finding, Reconciliation, reconcile};
use cofferdam_trust::VerifyingKey;
use serde::Serialize;

use super::{AuditError, trusted};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
Does the host say the same as the gateway?
  cofferdam audit reconcile --gateway gateway/journal --agent agent/journal

Exits with 1 when the two do not agree.";

/// Which two journals, and whom to believe.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The directory of the gateway's journal.
    #[arg(long, value_name = "DIR")]
    gateway: PathBuf,
    /// The directory of the agent's journal.
    #[arg(long, value_name = "DIR")]
    agent: PathBuf,
    /// A public key that may sign (`ed25519:…`); may be repeated: give the
    /// gateway's and the agent's. Default: the first key that each journal names.
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<VerifyingKey>,
}

#[derive(Debug, Serialize)]
struct Comparison {
    agrees: bool,
    compared: u64,
    /// Intents of the gateway itself, of other hosts, or of other gateways.
    elsewhere: u64,
    /// Of those compared, the ones of whose end the gateway knows nothing.
    lost: u64,
    findings: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Difference {
    kind: &'static str,
    run_id: String,
    problem: String,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, AuditError> {
    let trusted = trusted(&arguments.keys);
    let reconciliation = reconcile(&arguments.gateway, &arguments.agent, trusted.as_ref())?;
    let comparison = Comparison::from(reconciliation);
    let shown = format.show(&comparison);
    Ok(if comparison.agrees { shown } else { ExitCode::FAILURE })
}

impl From<Reconciliation> for Comparison {
    fn from(reconciliation: Reconciliation) -> Self {
        let agrees = reconciliation.agrees();
        let Reconciliation { compared, elsewhere, lost, findings } = reconciliation;
        let findings = findings.iter().map(Difference::from).collect();
        Self { agrees, compared, elsewhere, lost, findings }
    }
}

impl From<&Finding> for Difference {
    fn from(finding: &Finding) -> Self {
        let (kind, run_id) = match finding {
            Finding::MissingOnHost { run_id, .. } => ("missing_on_host", run_id),
            Finding::MissingOnGateway { run_id, .. } => ("missing_on_gateway", run_id),
            Finding::OtherHash { run_id } => ("other_hash", run_id),
            Finding::IntentSignature { run_id, .. } => ("intent_signature", run_id),
            Finding::ReceiptSignature { run_id, .. } => ("receipt_signature", run_id),
            Finding::OtherWord { run_id, .. } => ("other_word", run_id),
            Finding::OtherEnding { run_id, .. } => ("other_ending", run_id),
            Finding::OtherOutput { run_id } => ("other_output", run_id),
            Finding::NoOutcome { run_id, .. } => ("no_outcome", run_id),
            Finding::NoReceipt { run_id } => ("no_receipt", run_id),
        };
        Self { kind, run_id: run_id.clone(), problem: finding.to_string() }
    }
}

impl Report for Comparison {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { agrees, compared, elsewhere, lost, findings } = self;
        for Difference { problem, .. } in findings {
            writeln!(out, "{problem}")?;
        }
        let verdict = if *agrees { "agree" } else { "do NOT agree" };
        writeln!(out, "The journals {verdict}: {compared} compared, {} differ.", findings.len())?;
        if *lost > 0 {
            writeln!(
                out,
                "{lost} the gateway lost sight of: how they ended only the host can say."
            )?;
        }
        if *elsewhere > 0 {
            let whose = "the gateway's own, or of other hosts or gateways";
            writeln!(out, "{elsewhere} intents were left out: they are {whose}.")?;
        }
        Ok(())
    }
}
