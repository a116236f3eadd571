//! `cofferdam shell`: a shell on a host, in a sandbox, in this terminal.

mod permitted;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::json;

use crate::connection::{Connection, event_loop};
use crate::process::ending::CODES;
use crate::process::link::{Again, Link, LinkError};
use crate::process::parting::{conclude, failed};
use crate::process::screen::Screen;
use crate::process::start::{Place, Setting, Streams, What, Within, start};
use crate::report::Format;
use crate::run::terminal;
use crate::tty;
use permitted::{Found, NoShell, shell_of};

const EXAMPLES: &str = "\
A shell on a host, the one that the rules permit you there:
  cofferdam shell web-1

Another program that people use:
  cofferdam shell web-1 python3
  cofferdam shell web-1 -- psql -l

At the start of a line `~.` leaves it, and it goes on: `cofferdam attach` joins it
again. `~k` ends it with all that it started, `~?` tells what else there is. What the
host shows acts on this terminal as it is, as with ssh(1). The terminal has the size of
this one, also when that changes; TERM is what the host gives, unless -e TERM=… is
permitted. A connection that breaks is made anew.

A terminal is given only by rules that name the tool start_process, or let command
lines be any: what is typed there is seen by no rule, and held by the sandbox.";

/// Where, and what.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    within: Within,
    #[command(flatten)]
    setting: Setting,
    /// Takes no escapes: everything that is typed is for the program.
    #[arg(long)]
    no_escapes: bool,
    /// The host, as `cofferdam host list` names it.
    #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
    host: String,
    /// The program and its arguments. Default: a shell that the rules permit.
    #[arg(
        value_name = "PROGRAM",
        trailing_var_arg = true,
        value_hint = ValueHint::CommandWithArguments
    )]
    program: Vec<OsString>,
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{CODES} 0, too, where it was left.")
}

/// Its exit codes are those of runs, so that it has one of its own for failures.
pub(crate) fn run(arguments: Arguments, format: Format) -> ExitCode {
    let done = event_loop().map_err(LinkError::from).and_then(|runtime| {
        let done = runtime.block_on(lead(arguments, format));
        // What reads standard input cannot be interrupted.
        runtime.shutdown_background();
        done
    });
    done.unwrap_or_else(|error| failed(&error, format))
}

async fn lead(arguments: Arguments, format: Format) -> Result<ExitCode, LinkError> {
    let Arguments { connection, within, setting, no_escapes, host, program } = arguments;
    let size = terminal(format)?;
    let link = Link::open(connection, tty::say).await?;
    let place = Place { host: Some(host), within };
    let program = if program.is_empty() { choose(&link, &place).await? } else { program };
    let streams = Streams { terminal: Some(size), ..Streams::default() };
    let process = start(&link, &place, &setting, What::Program(program), &streams).await?;
    let screen = Screen::new(&link, &process, 0, Some(0));
    let parting = Box::pin(screen.serve(!no_escapes, Some(size))).await?;
    let code = conclude(&parting, &process, [0, 0], format);
    link.close().await;
    Ok(code)
}

/// The shell that the rules permit there; says which.
async fn choose(link: &Link, place: &Place) -> Result<Vec<OsString>, LinkError> {
    let Place { host, within } = place;
    let asked = json!({ "host": host, "project": within.project });
    let access = link.call("describe_access", &asked, Again::Safe).await?;
    let Found { program, rule } = shell_of(&access).map_err(|NoShell(told)| {
        let host = host.as_deref().unwrap_or("the host");
        let message = format!("{told} Name a program: `cofferdam shell {host} PROGRAM`.");
        LinkError::Refused { reason: "DENIED".to_owned(), message }
    })?;
    let host = access["host"].as_str().unwrap_or_default();
    tty::say(&crate::call::plain(&format!(
        "{program} on {host}, by rule `{rule}`; ~? at the start of a line tells how to leave"
    )));
    Ok(vec![program.into()])
}
