//! `cofferdam`, the person's command: one program to try everything (`dev`), to
//! ask a gateway (`call`, `mcp`, `host`), to work on hosts (`run`, `shell`, `attach`,
//! `logs`, `ps`, `top`), to agree to what it asks (`approve`), and to look after it
//! (`token`, `pki`, `policy`, `profile`, `audit`) and its hosts (`host`, `authority`,
//! `gateway`).
//!
//! A library, so that its manual pages and completions are made from the command
//! line as it is; the program is nothing but [`main`].
//!
//! Words: a **report** is what a command found out, and is shown to a person or,
//! with `--json`, to a script. Invariants: results go to standard output and
//! everything else to standard error; no secret is ever taken as an argument.

#![forbid(unsafe_code)]

mod approve;
mod arguments;
mod attach;
mod audit;
mod authority;
mod call;
mod color;
mod connection;
mod cp;
mod dev;
mod doctor;
mod gateway;
mod host;
mod logs;
mod mcp;
mod migrate;
mod office;
mod pki;
mod policy;
mod process;
mod profile;
mod ps;
mod report;
mod run;
mod shell;
mod time;
mod token;
mod top;
mod tty;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command};
#[cfg(fuzzing)]
pub use migrate::fuzzed as migrated;
use report::Format;

/// Does what the command line of this process says.
#[must_use]
pub fn main() -> ExitCode {
    let Arguments { json, command } = Arguments::parse();
    let format = if json { Format::Json } else { Format::Human };
    run(command, format).unwrap_or_else(|error| {
        report::failure(&error, format);
        ExitCode::FAILURE
    })
}

/// The command line, for what describes it.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

fn run(command: Command, format: Format) -> anyhow::Result<ExitCode> {
    Ok(match command {
        Command::Dev(arguments) => dev::run(arguments, format)?,
        Command::Approve(arguments) => approve::run(arguments, format),
        Command::Call(arguments) => call::run(arguments, format),
        Command::Cp(arguments) => cp::run(arguments, format),
        Command::Run(arguments) => run::run(arguments, format),
        Command::Shell(arguments) => shell::run(arguments, format),
        Command::Attach(arguments) => attach::run(arguments, format),
        Command::Logs(arguments) => logs::run(arguments, format),
        Command::Ps(arguments) => ps::run(arguments, format),
        Command::Top(arguments) => top::run(arguments, format),
        Command::Mcp(arguments) => mcp::run(arguments)?,
        Command::Host(command) => host::run(command, format)?,
        Command::Gateway(command) => gateway::run(command, format)?,
        Command::Authority(command) => authority::run(command, format)?,
        Command::Policy(command) => policy::run(command, format),
        Command::Doctor(arguments) => doctor::run(&arguments, format)?,
        Command::Profile(command) => profile::run(command, format)?,
        Command::Audit(command) => audit::run(command, format)?,
        Command::Migrate(arguments) => migrate::run(&arguments, format)?,
        Command::Pki(command) => pki::run(command, format)?,
        Command::Token(command) => token::run(command, format)?,
    })
}
