//! `cofferdam run`: a command on a host, as if it ran here.

mod input;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, ValueHint};

use crate::connection::{Connection, event_loop};
use crate::process::events;
use crate::process::follower::Follower;
use crate::process::link::{Link, LinkError};
use crate::process::parting::{conclude, failed};
use crate::process::pipes::Pipes;
use crate::process::screen::Screen;
use crate::process::start::{Place, Setting, Streams, What, start};
use crate::report::{Format, write_json};
use crate::tty;
use input::Input;

pub(crate) const EXAMPLES: &str = "\
A program with its arguments; its output, input and exit code are this command's:
  cofferdam run -- git status
  tar cz src | cofferdam run -H web-1 -- tar tz

A shell command line, in a directory, with a time limit:
  cofferdam run -C app --timeout 600 -c 'make 2>&1 | tee build.log'

On a terminal, for programs that people use:
  cofferdam run -t -- htop

Leave it running, and come back:
  cofferdam run -d -- make all
  cofferdam attach HANDLE

Ctrl-C reaches the command, a second one kills it with all that it started, a third
one leaves it. What it prints reaches this terminal as it is, as with ssh(1). A
connection that breaks is made anew, and nothing of the output is lost or doubled.
Input from a pipe or a file is passed on; input that does not end at once, and what is
typed (-i), needs a rule that gives open input.";

/// What to run, and how.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    setting: Setting,
    /// Gives it a terminal; this one is it.
    #[arg(long, short, conflicts_with_all = ["detach", "no_stdin", "stdin"])]
    tty: bool,
    /// Prints its handle and leaves it running.
    #[arg(long, short, conflicts_with = "stdin")]
    detach: bool,
    /// Passes on what is typed here, too. Default: only what a pipe or a file holds.
    #[arg(long, short = 'i')]
    stdin: bool,
    /// Passes no input on.
    #[arg(long, short = 'n', conflicts_with = "stdin")]
    no_stdin: bool,
    /// A shell command line, instead of a program.
    #[arg(
        long = "command",
        short = 'c',
        value_name = "LINE",
        conflicts_with = "program",
        required_unless_present = "program",
        value_hint = ValueHint::CommandString
    )]
    line: Option<String>,
    /// The program and its arguments.
    #[arg(last = true, value_name = "PROGRAM", value_hint = ValueHint::CommandWithArguments)]
    program: Vec<OsString>,
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}\n\n{}", crate::process::ending::CODES, events::SHAPES)
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
    let Arguments { connection, place, setting, tty, detach, stdin, no_stdin, line, program } =
        arguments;
    let what = line.map_or(What::Program(program), What::Line);
    if tty {
        return Box::pin(on_terminal(connection, &place, &setting, what, format)).await;
    }
    let link = Link::open(connection, tty::say).await?;
    let input = if no_stdin || detach { Input::None } else { Input::look(stdin).await };
    let streams = input.streams();
    let process = start(&link, &place, &setting, what, &streams).await?;
    if detach {
        link.close().await;
        return Ok(tell_handle(&process, format));
    }
    if format == Format::Json {
        write_json(&mut std::io::stdout().lock(), &events::started(&process))?;
    }
    let mut follower = Follower::new(&process, [0, 0], None);
    let pipes = Pipes { link: &link, process: &process, format, signals: true };
    let parting = Box::pin(pipes.serve(&mut follower, input.rest())).await?;
    let code = conclude(&parting, &process, follower.at(), format);
    link.close().await;
    Ok(code)
}

async fn on_terminal(
    connection: Connection,
    place: &Place,
    setting: &Setting,
    what: What,
    format: Format,
) -> Result<ExitCode, LinkError> {
    let size = terminal(format)?;
    let link = Link::open(connection, tty::say).await?;
    let streams = Streams { terminal: Some(size), ..Streams::default() };
    let process = start(&link, place, setting, what, &streams).await?;
    let screen = Screen::new(&link, &process, 0, Some(0));
    let parting = Box::pin(screen.serve(true, Some(size))).await?;
    let code = conclude(&parting, &process, [0, 0], format);
    link.close().await;
    Ok(code)
}

/// The size of the terminal here, where a person sits at one.
pub(crate) fn terminal(format: Format) -> Result<tty::Size, LinkError> {
    let nobody = || {
        std::io::Error::other(
            "a terminal is asked for, and nobody sits at one here; leave out -t, or use \
             `cofferdam run --json` for scripts",
        )
    };
    let size = tty::size().filter(|_| tty::is_there() && format == Format::Human);
    size.ok_or_else(|| nobody().into())
}

fn tell_handle(process: &str, format: Format) -> ExitCode {
    let mut out = std::io::stdout().lock();
    crate::report::settled(match format {
        Format::Json => write_json(&mut out, &events::started(process)),
        Format::Human => std::io::Write::write_all(&mut out, format!("{process}\n").as_bytes()),
    })
}
