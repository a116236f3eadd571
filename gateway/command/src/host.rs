//! `cofferdam host`: the hosts behind a gateway.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::call::{CallError, ask};
use crate::connection::Connection;
use crate::report::{Format, Report, write_table};

const EXAMPLES: &str = "\
Which hosts are there, and do they answer?
  cofferdam host list

Exits with 1 when one of them does not answer.";

/// What to do with hosts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the hosts with their state, labels and projects.
    #[command(after_help = EXAMPLES)]
    List(Arguments),
}

/// Which gateway.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
}

/// What the tool `list_hosts` answers.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Hosts(Value);

pub(crate) fn run(command: Command, format: Format) -> Result<ExitCode, CallError> {
    let Command::List(Arguments { connection }) = command;
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
    let projects = host["projects"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let labels = host["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("?")));
    [
        text("name"),
        text("state"),
        text("since"),
        projects.collect::<Vec<_>>().join(","),
        labels.collect::<Vec<_>>().join(","),
        text("detail"),
    ]
}
