//! `cofferdam host list`: as the gateway sees its hosts now, or as its authority knows
//! them.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use cofferdam_authority::{Host, Owner};
use serde::Serialize;
use serde_json::{Map, Value};

use super::HostCommandError;
use super::show::{labels, life, projects, renewed};
use crate::call::ask;
use crate::connection::Connection;
use crate::office::{OfficeError, Place};
use crate::report::{Format, Report, write_table};

const EXAMPLES: &str = "\
Which hosts are there, and do they answer?
  cofferdam host list

Which ones were invited, wait to be approved, or raised an alarm? On the gateway's
machine, as its user:
  runuser -u cofferdam-gateway -- cofferdam host list --enrolled

Exits with 1 when one of them does not answer, or has an alarm.";

/// Which gateway, and whose view.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// Shows the hosts that the gateway's authority invited, let in or revoked, as its
    /// state has them. On the gateway's machine.
    #[arg(long)]
    enrolled: bool,
    #[command(flatten)]
    place: Place,
}

/// The authority's hosts.
#[derive(Debug, Serialize)]
struct Enrolled {
    hosts: Vec<Host>,
}

/// What the tool `list_hosts` answers.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Hosts(Value);

pub(super) fn run(arguments: Arguments, format: Format) -> Result<ExitCode, HostCommandError> {
    let Arguments { connection, enrolled, place } = arguments;
    if enrolled {
        let state = place.open()?;
        let hosts = Owner::new(&state, "").hosts().map_err(OfficeError::from)?;
        let quiet = hosts.iter().all(|host| host.alarm.is_none());
        let shown = format.show(&Enrolled { hosts });
        return Ok(if quiet { shown } else { ExitCode::FAILURE });
    }
    let hosts = Hosts(ask(connection, "list_hosts", Map::new())?);
    let shown = format.show(&hosts);
    let ready = hosts.each().iter().all(|host| host["state"] == "ready");
    Ok(if ready { shown } else { ExitCode::FAILURE })
}

impl Hosts {
    fn each(&self) -> &[Value] {
        self.0["hosts"].as_array().map_or(&[], Vec::as_slice)
    }
}

impl Report for Hosts {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<_> = self.each().iter().map(row).collect();
        write_table(out, ["HOST", "STATE", "SINCE", "PROJECTS", "LABELS", "DETAIL"], &rows)
    }
}

fn row(host: &Value) -> [String; 6] {
    let text = |key: &str| host[key].as_str().unwrap_or_default().to_owned();
    // What holds it back stands with why it does not answer.
    let held = [text("held"), text("held_since")].join(" ");
    let detail = [text("detail"), held.trim().to_owned()];
    let detail = detail.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("; ");
    let projects = host["projects"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let labels = host["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("?")));
    [
        text("name"),
        text("state"),
        text("since"),
        projects.collect::<Vec<_>>().join(","),
        labels.collect::<Vec<_>>().join(","),
        detail,
    ]
}

impl Report for Enrolled {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<_> = self.hosts.iter().map(enrolled_row).collect();
        let head = ["HOST", "STANDING", "CERTIFICATE", "RENEWED", "PROJECTS", "LABELS", "ALARM"];
        write_table(out, head, &rows)
    }
}

fn enrolled_row(host: &Host) -> [String; 7] {
    [
        host.name.clone(),
        host.standing.name().to_owned(),
        life(host).unwrap_or_default(),
        renewed(host),
        projects(host),
        labels(host),
        host.alarm.clone().unwrap_or_default(),
    ]
}
