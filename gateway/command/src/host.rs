//! `cofferdam host`: the hosts behind a gateway.
//!
//! `list` asks the running gateway, as any client; all else works on the state of its
//! authority, on the gateway's machine and as its user, beside the running service,
//! which sees each change within a second.

mod approve;
mod hold;
mod invite;
mod leave;
mod list;
mod show;

use std::process::ExitCode;

use clap::Subcommand;
use cofferdam_authority::OwnerError;
use cofferdam_gateway::holds::Hold;

use crate::call::CallError;
use crate::office::OfficeError;
use crate::report::Format;

/// What to do with hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the hosts with their state, labels and projects.
    List(list::Arguments),
    /// Tells all that is known of one host that was invited.
    Show(show::Arguments),
    /// Sends a host no further runs; those there go on.
    #[command(after_help = hold::DRAIN_EXAMPLES)]
    Drain(hold::Arguments),
    /// Sends a drained host runs again.
    #[command(after_help = hold::DRAIN_EXAMPLES)]
    Undrain(hold::Arguments),
    /// Sends a host no calls at all, but those that end runs.
    #[command(after_help = hold::FREEZE_EXAMPLES)]
    Freeze(hold::Arguments),
    /// Sends a frozen host calls again.
    #[command(after_help = hold::FREEZE_EXAMPLES)]
    Unfreeze(hold::Arguments),
    /// Makes a join token for a new host and prints it, once.
    Invite(invite::Arguments),
    /// Lets in a host that showed its token.
    Approve(approve::Approve),
    /// Does not let in a host.
    Refuse(leave::Refuse),
    /// Makes a host count for nothing, from now on.
    Revoke(leave::Revoke),
    /// Forgets a host, and frees its name.
    Remove(leave::Remove),
    /// Says that all is well with a host: ends an alarm.
    Trust(approve::Trust),
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostCommandError {
    /// The gateway was not asked, or refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A host could not be held back or let go.
    #[error(transparent)]
    Hold(#[from] hold::HoldError),
    /// The authority's state.
    #[error(transparent)]
    Office(#[from] OfficeError),
}

impl From<OwnerError> for HostCommandError {
    fn from(error: OwnerError) -> Self {
        Self::Office(error.into())
    }
}

pub(crate) fn run(command: Command, format: Format) -> Result<ExitCode, HostCommandError> {
    match command {
        Command::List(arguments) => list::run(arguments, format),
        Command::Show(arguments) => show::run(&arguments, format),
        Command::Drain(which) => Ok(hold::run(which, Hold::Drain, true, format)?),
        Command::Undrain(which) => Ok(hold::run(which, Hold::Drain, false, format)?),
        Command::Freeze(which) => Ok(hold::run(which, Hold::Freeze, true, format)?),
        Command::Unfreeze(which) => Ok(hold::run(which, Hold::Freeze, false, format)?),
        Command::Invite(arguments) => invite::run(arguments, format),
        Command::Approve(arguments) => approve::approve(&arguments, format),
        Command::Refuse(arguments) => leave::refuse(&arguments, format),
        Command::Revoke(arguments) => leave::revoke(&arguments, format),
        Command::Remove(arguments) => leave::remove(&arguments, format),
        Command::Trust(arguments) => approve::trust(&arguments, format),
    }
}
