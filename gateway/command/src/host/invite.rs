//! `cofferdam host invite`: a join token for a new host.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cofferdam_authority::{Invitation, Owner, Project};
use serde::Serialize;

use super::HostCommandError;
use crate::office::{Place, person};
use crate::report::{Format, Report, complain};
use crate::time;

const EXAMPLES: &str = "\
A token for web-1, straight into a file that only its owner can read:
  (umask 077; cofferdam host invite web-1 --label role=web > web-1.token)

Take it to the host by a way that you trust, and there:
  cofferdam-agent enroll --gateway gateway.example.org:8463 --token-file web-1.token

A host of the project `website`, and of another one with its own workspace:
  cofferdam host invite web-2 --project website --project tools=/srv/tools";

/// Whom, and what is to be known of it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The host's name.
    name: String,
    /// Something that rules may select it by; may be repeated.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// A project that it is for, with the workspace where there is no such project yet;
    /// may be repeated.
    #[arg(long = "project", value_name = "NAME[=WORKSPACE]", value_parser = project)]
    projects: Vec<Project>,
    /// Where the gateway reaches its agent. Default: where the agent says that it
    /// listens; one that listens nowhere dials the gateway.
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// After how long the token counts no more: `30m`, `12h`.
    #[arg(long, value_name = "SPAN", value_parser = time::span, default_value = "1h")]
    expires: Duration,
}

#[derive(Serialize)]
struct Invited {
    host: String,
    token: String,
    expires_at: u64,
    /// What to call on the host.
    command: String,
}

pub(super) fn run(arguments: Arguments, format: Format) -> Result<ExitCode, HostCommandError> {
    let Arguments { place, name, labels, projects, address, expires } = arguments;
    place.refuse_name(&name)?;
    let gateway = place.told_address();
    let state = place.open()?;
    let labels = labels.into_iter().collect();
    let invitation = Invitation { host: name, labels, projects, address, valid: expires };
    let invited = Owner::new(&state, &person()).invite(&invitation)?;
    let host = invitation.host;
    let command = format!("cofferdam-agent enroll --gateway {gateway} --token-file FILE");
    let token = invited.token.text().to_string();
    let shown = Invited { host, token, expires_at: invited.expires_at, command };
    if format == Format::Human {
        complain(&format!(
            "{} may join until {}; there, with the token in a file: {}",
            shown.host,
            time::from_unix(shown.expires_at),
            shown.command
        ));
    }
    Ok(format.show(&shown))
}

impl Report for Invited {
    /// The token alone, so that it can go into a file.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.token)
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Kept as `Result` for clap; the authority judges what it says.
#[allow(clippy::unnecessary_wraps, reason = "what clap takes as a parser gives a Result")]
fn project(text: &str) -> Result<Project, String> {
    let (name, workspace) = match text.split_once('=') {
        Some((name, workspace)) => (name, Some(PathBuf::from(workspace))),
        None => (text, None),
    };
    Ok(Project { name: name.to_owned(), workspace })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_may_come_with_its_workspace() {
        assert_eq!(project("web").unwrap(), Project { name: "web".to_owned(), workspace: None });
        let workspace = Some(PathBuf::from("/srv/a=b"));
        let expected = Project { name: "tools".to_owned(), workspace };
        assert_eq!(project("tools=/srv/a=b").unwrap(), expected);
    }
}
