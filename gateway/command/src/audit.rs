//! `cofferdam audit`: what the journals of gateways and agents say, and whether
//! they can be believed.

mod reconcile;
mod show;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;
use cofferdam_journal::{Broken, ReconcileError};
use cofferdam_trust::{TrustedKeys, VerifyingKey};

use crate::report::Format;

/// What to do with journals.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks every record, hash and signature; says where a journal is broken.
    Verify(verify::Arguments),
    /// Shows records, filtered.
    Show(show::Arguments),
    /// Compares a gateway's journal with an agent's, run by run.
    Reconcile(reconcile::Arguments),
}

/// Why a journal cannot be shown or compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// It is broken where it must be read.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The two cannot be compared.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}

pub(crate) fn run(command: Command, format: Format) -> Result<ExitCode, AuditError> {
    match command {
        Command::Verify(arguments) => Ok(verify::run(&arguments, format)),
        Command::Show(arguments) => show::run(&arguments, format),
        Command::Reconcile(arguments) => reconcile::run(&arguments, format),
    }
}

/// Keys to believe; `None` where a journal's own word for its first key is taken.
fn trusted(keys: &[VerifyingKey]) -> Option<TrustedKeys> {
    (!keys.is_empty()).then(|| keys.iter().copied().collect())
}
