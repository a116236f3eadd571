//! `cofferdam host show`: one host, as the authority knows it.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use cofferdam_authority::{Host, Owner};
use cofferdam_gateway::approvals::visible;
use serde::Serialize;

use super::HostCommandError;
use crate::office::Place;
use crate::report::{Format, Report};
use crate::time;

const EXAMPLES: &str = "\
Before letting a host in: is the signing key the one that `cofferdam-agent enroll`
printed there?
  cofferdam host show web-1";

/// Which host.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The host's name.
    name: String,
}

/// A host in words.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Shown(pub(super) Host);

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, HostCommandError> {
    let state = arguments.place.open()?;
    let host = Owner::new(&state, "").host(&arguments.name)?;
    Ok(format.show(&Shown(host)))
}

impl Report for Shown {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Host {
            name,
            standing,
            alarm,
            labels: _,
            projects: _,
            address,
            signing_key,
            agent_version,
            reattested,
            invited_at,
            enrolled_at,
            certified_at,
            certificate_ends_at,
        } = &self.0;
        let moment = |at: Option<u64>| at.map(time::from_unix).unwrap_or_default();
        let or =
            |text: &Option<String>, other: &str| text.clone().unwrap_or_else(|| other.to_owned());
        let lines = [
            ("host", name.clone()),
            ("standing", standing.name().to_owned()),
            ("alarm", or(alarm, "")),
            ("address", or(address, "none: it dials out")),
            ("labels", labels(&self.0)),
            ("projects", projects(&self.0)),
            ("signs with", or(signing_key, "")),
            ("agent", agent_version.clone()),
            ("invited", time::from_unix(*invited_at)),
            ("enrolled", moment(*enrolled_at)),
            ("certified", moment(*certified_at)),
            ("until", moment(*certificate_ends_at)),
        ];
        for (key, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
            writeln!(out, "{key:>10}  {}", visible(value))?;
        }
        if *reattested > 0 {
            writeln!(out, "{:>10}  {reattested} certificates in a row came too late", "")?;
        }
        Ok(())
    }
}

/// `role=web,stage=production`.
pub(super) fn labels(host: &Host) -> String {
    let all = host.labels.iter().map(|(key, value)| format!("{key}={value}"));
    all.collect::<Vec<_>>().join(",")
}

/// `website,tools=/srv/tools`.
pub(super) fn projects(host: &Host) -> String {
    let all = host.projects.iter().map(|project| match &project.workspace {
        Some(workspace) => format!("{}={}", project.name, workspace.display()),
        None => project.name.clone(),
    });
    all.collect::<Vec<_>>().join(",")
}
