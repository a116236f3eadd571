//! `cofferdam host refuse`, `revoke` and `remove`: what ends a host's way.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use cofferdam_authority::Owner;
use serde::Serialize;

use super::HostCommandError;
use crate::office::{Place, person};
use crate::report::{Format, Report};

const REVOKE: &str = "\
web-1 was broken into. No call goes there any more, no answer of it is believed, and
what it is answering now ends; that takes a second or two:
  cofferdam host revoke web-1 --reason 'broken into'";

const REMOVE: &str = "\
web-1 is gone, or is to join anew:
  cofferdam host remove web-1
  cofferdam host invite web-1";

const REFUSE: &str = "\
Its signing key is not the one that web-1 printed:
  cofferdam host show web-1
  cofferdam host refuse web-1 --reason 'another key than the host has'";

/// Which host not to let in.
#[derive(Debug, Args)]
#[command(after_help = REFUSE)]
pub(crate) struct Refuse {
    #[command(flatten)]
    place: Place,
    /// The host's name.
    name: String,
    /// Why, for the record.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// Which host is to count for nothing.
#[derive(Debug, Args)]
#[command(after_help = REVOKE)]
pub(crate) struct Revoke {
    #[command(flatten)]
    place: Place,
    /// The host's name.
    name: String,
    /// Why, for the record.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// Which host to forget.
#[derive(Debug, Args)]
#[command(after_help = REMOVE)]
pub(crate) struct Remove {
    #[command(flatten)]
    place: Place,
    /// The host's name.
    name: String,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Done<'a> {
    host: &'a str,
    step: &'static str,
}

pub(super) fn refuse(arguments: &Refuse, format: Format) -> Result<ExitCode, HostCommandError> {
    let Refuse { place, name, reason } = arguments;
    Owner::new(&place.open()?, &person()).refuse(name, reason)?;
    Ok(format.show(&Done { host: name, step: "refused" }))
}

pub(super) fn revoke(arguments: &Revoke, format: Format) -> Result<ExitCode, HostCommandError> {
    let Revoke { place, name, reason } = arguments;
    Owner::new(&place.open()?, &person()).revoke(name, reason)?;
    Ok(format.show(&Done { host: name, step: "revoked" }))
}

pub(super) fn remove(arguments: &Remove, format: Format) -> Result<ExitCode, HostCommandError> {
    let Remove { place, name } = arguments;
    Owner::new(&place.open()?, &person()).remove(name)?;
    Ok(format.show(&Done { host: name, step: "removed" }))
}

impl Report for Done<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {}", self.step, self.host)
    }
}
