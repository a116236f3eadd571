//! `cofferdam host approve` and `trust`: what lets a host go on.

use std::process::ExitCode;

use clap::Args;
use cofferdam_authority::Owner;

use super::HostCommandError;
use super::show::Shown;
use crate::office::{Place, person};
use crate::report::Format;

const APPROVE: &str = "\
Which hosts wait?
  cofferdam host list --enrolled

Is it the one that is meant? Compare its signing key with what the host printed:
  cofferdam host show web-1
  cofferdam host approve web-1";

const TRUST: &str = "\
web-1 was restored from a backup, so that its renewals are out of turn. Nobody else
has its key:
  cofferdam host trust web-1

If somebody else may have it:
  cofferdam host revoke web-1 --reason 'its disk was copied'";

/// Which host to let in.
#[derive(Debug, Args)]
#[command(after_help = APPROVE)]
pub(crate) struct Approve {
    #[command(flatten)]
    place: Place,
    /// The host's name.
    name: String,
}

/// With which host all is well.
#[derive(Debug, Args)]
#[command(after_help = TRUST)]
pub(crate) struct Trust {
    #[command(flatten)]
    place: Place,
    /// The host's name.
    name: String,
}

pub(super) fn approve(arguments: &Approve, format: Format) -> Result<ExitCode, HostCommandError> {
    let state = arguments.place.open()?;
    let person = person();
    let owner = Owner::new(&state, &person);
    owner.approve(&arguments.name)?;
    Ok(format.show(&Shown(owner.host(&arguments.name)?)))
}

pub(super) fn trust(arguments: &Trust, format: Format) -> Result<ExitCode, HostCommandError> {
    let state = arguments.place.open()?;
    let person = person();
    let owner = Owner::new(&state, &person);
    owner.trust(&arguments.name)?;
    Ok(format.show(&Shown(owner.host(&arguments.name)?)))
}
