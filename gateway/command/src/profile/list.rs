//! `cofferdam profile list`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use cofferdam_profile::Profile;
use serde::Serialize;

use super::{ProfileCommandError, Source};
use crate::report::{Format, Report, write_table};

const EXAMPLES: &str = "\
The built-in profiles:
  cofferdam profile list

And those of this host:
  cofferdam profile list --directory /etc/cofferdam/profiles";

/// Whose.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List(Vec<Row>);

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    description: String,
    workspace: &'static str,
    network: &'static str,
    filter: String,
    inherits: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, ProfileCommandError> {
    let profiles = arguments.source.load()?;
    Ok(format.show(&List(profiles.iter().map(row).collect())))
}

fn row(profile: &Profile) -> Row {
    Row {
        name: profile.name.clone(),
        description: profile.description.clone(),
        workspace: match (profile.write, profile.execute) {
            (false, false) => "read",
            (false, true) => "read, execute",
            (true, false) => "write",
            (true, true) => "write, execute",
        },
        network: profile.network.word(),
        filter: profile.filter.clone(),
        inherits: profile.inherits.clone(),
    }
}

impl Report for List {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let row = |row: &Row| {
            [
                row.name.clone(),
                row.workspace.to_owned(),
                row.network.to_owned(),
                row.filter.clone(),
                row.inherits.first().cloned().unwrap_or_default(),
            ]
        };
        let rows: Vec<_> = self.0.iter().map(row).collect();
        write_table(out, ["PROFILE", "WORKSPACE", "NETWORK", "FILTER", "INHERITS"], &rows)
    }
}
