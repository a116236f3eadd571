//! `cofferdam attach`: joins a run that is there.

use std::process::ExitCode;

use clap::{Args, ValueHint};
use serde_json::{Value, json};

use crate::connection::{Connection, event_loop};
use crate::process::ending::CODES;
use crate::process::events;
use crate::process::follower::Follower;
use crate::process::handle::{HandleError, resolve};
use crate::process::keyboard::Keyboard;
use crate::process::link::{Again, Link, LinkError};
use crate::process::parting::{conclude, unknown};
use crate::process::pipes::Pipes;
use crate::process::screen::Screen;
use crate::report::Format;
use crate::run::terminal;
use crate::tty;

const EXAMPLES: &str = "\
Join a run of yours, from the first byte that is kept:
  cofferdam ps
  cofferdam attach web-1/3f2a91bc

Join it where it is now, after its last 20 lines:
  cofferdam attach 3f2a91bc --tail 20

A run with a terminal takes this terminal over; `~.` at the start of a line leaves it,
`~?` says what else there is. What it shows acts on this terminal as it is, as with
ssh(1). Of a run without one the output is shown, and ctrl-c leaves; with -i, what is
typed here is its input. The run goes on in any case.";

/// Which run.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// The run's handle, or as much of it as is clear.
    #[arg(value_name = "HANDLE", value_hint = ValueHint::Other)]
    handle: String,
    /// Begins with so many of the last lines, 0 to 10000. Default: with all that is kept.
    #[arg(
        long,
        value_name = "LINES",
        value_parser = clap::value_parser!(u64).range(0..=10_000),
        value_hint = ValueHint::Other
    )]
    tail: Option<u64>,
    /// Passes input on to a run without a terminal, too.
    #[arg(long, short = 'i')]
    stdin: bool,
    /// Takes no escapes: everything that is typed is for the run.
    #[arg(long)]
    no_escapes: bool,
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{CODES} 0, too, where it was left.\n\n{}", events::SHAPES)
}

/// Its exit codes are those of runs, so that it has one of its own for failures.
pub(crate) fn run(arguments: Arguments, format: Format) -> ExitCode {
    let done = event_loop().map_err(LinkError::from).map_err(HandleError::from);
    let done = done.and_then(|runtime| {
        let done = runtime.block_on(join(arguments, format));
        // What reads standard input cannot be interrupted.
        runtime.shutdown_background();
        done
    });
    done.unwrap_or_else(|error| unknown(error, format))
}

async fn join(arguments: Arguments, format: Format) -> Result<ExitCode, HandleError> {
    let Arguments { connection, handle, tail, stdin, no_escapes } = arguments;
    let link = Link::open(connection, tty::say).await?;
    let process = resolve(&link, &handle).await?;
    let found = describe(&link, &process).await?;
    let has_terminal = found["terminal"].is_object();
    let at = match tail {
        Some(lines) => show_tail(&link, &process, lines, has_terminal, format).await?,
        None => [0, 0],
    };
    let has_ended = found["state"] == "ended";
    if has_terminal && !has_ended && tty::is_there() && format == Format::Human {
        terminal(format)?;
        // Another size than it has makes a full-screen program draw itself anew.
        let screen = Screen::new(&link, &process, at[0], None);
        let parting = Box::pin(screen.serve(!no_escapes, None)).await?;
        let code = conclude(&parting, &process, [0, 0], format);
        link.close().await;
        return Ok(code);
    }
    let mut follower = Follower::new(&process, at, None);
    let pipes = Pipes { link: &link, process: &process, format, signals: false };
    let input = stdin.then(|| (Vec::new(), Keyboard::start()));
    let parting = Box::pin(pipes.serve(&mut follower, input)).await?;
    let code = conclude(&parting, &process, follower.at(), format);
    link.close().await;
    Ok(code)
}

/// What the run is, as far as a reader is told.
async fn describe(link: &Link, process: &str) -> Result<Value, LinkError> {
    let arguments = json!({ "process": process, "tail": 1, "wait_seconds": 0 });
    link.call("read_process", &arguments, Again::Safe).await
}

/// Shows the last lines, and says where it goes on.
async fn show_tail(
    link: &Link,
    process: &str,
    lines: u64,
    ansi: bool,
    format: Format,
) -> Result<[u64; 2], LinkError> {
    let arguments =
        json!({ "process": process, "tail": lines.max(1), "wait_seconds": 0, "ansi": ansi });
    let answer = link.call("read_process", &arguments, Again::Safe).await?;
    let at = ["next_stdout_offset", "next_stderr_offset"]
        .map(|key| answer[key].as_u64().unwrap_or_default());
    if lines > 0 && format == Format::Human {
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        std::io::Write::write_all(&mut std::io::stdout(), text("stdout").as_bytes())?;
        std::io::Write::write_all(&mut std::io::stderr(), text("stderr").as_bytes())?;
    }
    Ok(at)
}
