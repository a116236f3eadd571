//! `cofferdam gateway`: which gateways hosts are to believe, as the authority says in
//! its trust list.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;
use cofferdam_authority::{GatewayEntry, Owner};
use serde::Serialize;

use crate::office::{OfficeError, Place, person};
use crate::report::{Format, Report, write_table};
use crate::time;

const LIST: &str = "\
Whom do the hosts that joined believe?
  cofferdam gateway list";

const TRUST: &str = "\
The wrong one was revoked:
  cofferdam gateway list
  cofferdam gateway trust main";

const REVOKE: &str = "\
The machine of the gateway `old` was broken into. Every host that joined refuses it
within seconds, and what goes on over its connections ends:
  cofferdam gateway revoke old --reason 'broken into'";

/// What to do with gateways.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the gateways that hosts are told of.
    #[command(after_help = LIST)]
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Has every host that joined refuse a gateway.
    #[command(after_help = REVOKE)]
    Revoke {
        #[command(flatten)]
        place: Place,
        /// The gateway's name.
        name: String,
        /// Why, for the record.
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Takes the revocation of a gateway back.
    #[command(after_help = TRUST)]
    Trust {
        #[command(flatten)]
        place: Place,
        /// The gateway's name.
        name: String,
    },
}

#[derive(Debug, Serialize)]
struct Listed {
    gateways: Vec<GatewayEntry>,
}

#[derive(Debug, Serialize)]
struct Done {
    gateway: String,
    step: &'static str,
}

pub(crate) fn run(command: Command, format: Format) -> Result<ExitCode, OfficeError> {
    match command {
        Command::List { place } => {
            let gateways = Owner::new(&place.open()?, "").gateways()?;
            Ok(format.show(&Listed { gateways }))
        }
        Command::Revoke { place, name, reason } => {
            Owner::new(&place.open()?, &person()).revoke_gateway(&name, &reason)?;
            Ok(format.show(&Done { gateway: name, step: "revoked" }))
        }
        Command::Trust { place, name } => {
            Owner::new(&place.open()?, &person()).trust_gateway(&name)?;
            Ok(format.show(&Done { gateway: name, step: "trusted" }))
        }
    }
}

impl Report for Listed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let row = |it: &GatewayEntry| {
            let state = it.revoked_at.map(|at| format!("revoked {}", time::from_unix(at)));
            let keys: Vec<_> = it.keys.iter().map(ToString::to_string).collect();
            [it.name.clone(), state.unwrap_or_else(|| "trusted".to_owned()), keys.join(",")]
        };
        let rows: Vec<_> = self.gateways.iter().map(row).collect();
        write_table(out, ["GATEWAY", "STATE", "SIGNS WITH"], &rows)
    }
}

impl Report for Done {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} {}", self.step, self.gateway)
    }
}
