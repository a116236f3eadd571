//! `cofferdam doctor`: what a gateway needs on its machine, each with what mends it,
//! and what of it ends soon.
//!
//! Changes nothing and opens no port for longer than a glance. It reads what the
//! gateway's user can read, so it runs as that user; the running gateway is not needed
//! and not disturbed. Where a systemd socket listens for a gateway that is stopped, the
//! glance at its port starts it, as any client would.

mod clock;
mod files;
mod hosts;
mod lapses;
mod ports;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_gateway::Config;
use cofferdam_gateway::approvals::visible;
use serde::Serialize;

use crate::office::{OfficeError, check_owner};
use crate::report::{Format, Report};

const EXAMPLES: &str = "\
Before the first start, and whenever something does not work; on the gateway's machine,
as its user:
  runuser -u cofferdam-gateway -- cofferdam doctor

Each day, for a monitor: exits with 1 where something is wrong, and with 3 where
something ends soon or waits for somebody:
  cofferdam doctor --json";

/// What exits where nothing is wrong and something is to be seen to.
const SEE_TO: u8 = 3;

/// What leads the gateway's files to the schema that this program reads.
const RESTART: &str = "start or restart the gateway of this version: systemctl restart \
                       cofferdam-gateway";

/// Which gateway.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The gateway's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/cofferdam/gateway.toml")]
    config: PathBuf,
}

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Good,
    /// Somebody has to see to it.
    SeeTo,
    /// Wrong.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// `group` or `group.name`; stable, for scripts.
    name: String,
    state: State,
    /// What was found.
    detail: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// All of it.
#[derive(Debug, Serialize)]
struct Findings {
    findings: Vec<Finding>,
}

impl Finding {
    fn good(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Good, detail: detail.into(), fix: None }
    }

    fn see_to(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        let (name, detail, fix) = (name.into(), detail.into(), Some(fix.into()));
        Self { name, state: State::SeeTo, detail, fix }
    }

    fn wrong(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state: State::Wrong, ..Self::see_to(name, detail, fix) }
    }
}

pub(crate) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, OfficeError> {
    let path = &arguments.config;
    let findings = match Config::load(path) {
        Ok(config) => {
            check_owner(&config.state)?;
            examine(path, &config)
        }
        Err(error) => {
            let fix = "mend it: `cofferdam-gateway --check` tells the same";
            vec![Finding::wrong("configuration", error.to_string(), fix)]
        }
    };
    let worst = findings.iter().map(|it| it.state).max().unwrap_or(State::Good);
    let shown = format.show(&Findings { findings });
    Ok(match worst {
        State::Good => shown,
        State::SeeTo => ExitCode::from(SEE_TO),
        State::Wrong => ExitCode::FAILURE,
    })
}

fn examine(path: &std::path::Path, config: &Config) -> Vec<Finding> {
    let known = format!("{}, for the gateway `{}`", path.display(), config.name);
    let mut findings = vec![Finding::good("configuration", known)];
    findings.extend(files::keys(config));
    findings.extend([files::rules(config), files::tokens(config), files::journal(config)]);
    findings.extend(lapses::look(config));
    findings.extend(ports::look(config));
    findings.extend(hosts::look(config));
    findings.extend(clock::look(config));
    findings
}

impl Report for Findings {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for Finding { name, state, detail, fix } in &self.findings {
            let state = match state {
                State::Good => "good",
                State::SeeTo => "SEE TO",
                State::Wrong => "WRONG",
            };
            writeln!(out, "{state:<8}{name}: {}", visible(detail))?;
            if let Some(fix) = fix {
                writeln!(out, "{:8}  {}", "", visible(fix))?;
            }
        }
        let of = |state| self.findings.iter().filter(|it| it.state == state).count();
        writeln!(out, "{} wrong, {} to see to", of(State::Wrong), of(State::SeeTo))
    }
}
