//! `cofferdam logs`: what a run printed, and prints.

mod lines;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum, ValueHint};
use regex::Regex;

use crate::connection::{Connection, event_loop};
use crate::process::events::{self, gap_in_words};
use crate::process::follower::{Follower, Piece, Stream};
use crate::process::handle::{HandleError, resolve};
use crate::process::link::{Link, LinkError};
use crate::process::parting::unknown;
use crate::report::{Format, settled, write_json};
use crate::tty;
use lines::{Lines, Shown};

const EXAMPLES: &str = "\
All that a run printed and its host keeps:
  cofferdam logs web-1/3f2a91bc

The last 20 lines, and what comes, until it ends:
  cofferdam logs -f --tail 20 3f2a91bc

Lines that match (a regular expression), from a byte on:
  cofferdam logs --grep 'error|warning' --since 65536 3f2a91bc

Lines are shown without escape sequences, so that nothing in them acts on the terminal;
--raw gives every byte as it was printed. What goes to its standard error goes to
standard error here. With --json, --since takes up where the last line told to.
Exits with 0 whatever became of the run; 125: it cannot be read.";

/// Which run, and what of it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// The run's handle, or as much of it as is clear.
    #[arg(value_name = "HANDLE", value_hint = ValueHint::Other)]
    handle: String,
    /// Waits for what comes, until the run ends.
    #[arg(long, short)]
    follow: bool,
    /// Begins at this byte of standard output, and with `,N` of standard error.
    #[arg(
        long,
        value_name = "OFFSET[,OFFSET]",
        value_parser = offsets,
        default_value = "0",
        hide_default_value = true,
        value_hint = ValueHint::Other
    )]
    since: [u64; 2],
    /// Only so many of the last lines of each stream, then what comes.
    #[arg(long, value_name = "LINES", conflicts_with = "raw", value_hint = ValueHint::Other)]
    tail: Option<usize>,
    /// Only lines that match this regular expression.
    #[arg(long, value_name = "PATTERN", conflicts_with = "raw", value_hint = ValueHint::Other)]
    grep: Option<Regex>,
    /// Only this stream.
    #[arg(long, value_name = "STREAM", value_enum)]
    stream: Option<Which>,
    /// Every byte as it was printed.
    #[arg(long)]
    raw: bool,
}

/// A stream by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Standard output; of a run with a terminal all that it showed.
    Stdout,
    /// Standard error.
    Stderr,
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", events::SHAPES)
}

pub(crate) fn run(arguments: Arguments, format: Format) -> ExitCode {
    let done = event_loop().map_err(LinkError::from).map_err(HandleError::from);
    let done = done.and_then(|runtime| runtime.block_on(show(arguments, format)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that went away (`| head`) has seen enough.
        Err(HandleError::Link(LinkError::Io(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            settled(Err(error))
        }
        Err(error) => unknown(error, format),
    }
}

async fn show(arguments: Arguments, format: Format) -> Result<(), HandleError> {
    let Arguments { connection, handle, follow, since, tail, grep, stream, raw } = arguments;
    let link = Link::open(connection, tty::say).await?;
    let process = resolve(&link, &handle).await?;
    let stream = stream.map(|which| match which {
        Which::Stdout => Stream::Stdout,
        Which::Stderr => Stream::Stderr,
    });
    let mut follower = Follower::new(&process, since, stream);
    let mut page = Page { lines: [0, 1].map(|_| Lines::new(grep.clone(), tail)), raw, format };
    let mut has_caught_up = false;
    let ended = loop {
        let read =
            if has_caught_up { follower.next(&link).await? } else { follower.there(&link).await? };
        let is_empty = read.pieces.is_empty();
        let mut ended = false;
        for piece in read.pieces {
            ended |= matches!(piece, Piece::End(_));
            page.take(piece).map_err(LinkError::from)?;
        }
        if ended || (is_empty && !has_caught_up) {
            has_caught_up = true;
            page.caught_up().map_err(LinkError::from)?;
            if ended || !follow {
                break ended;
            }
        }
    };
    page.finish().map_err(LinkError::from)?;
    if format == Format::Json && !ended {
        let left = events::left(&process, follower.at());
        write_json(&mut io::stdout().lock(), &left).map_err(LinkError::from)?;
    }
    link.close().await;
    Ok(())
}

/// What is shown of both streams.
struct Page {
    lines: [Lines; 2],
    raw: bool,
    format: Format,
}

impl Page {
    fn take(&mut self, piece: Piece) -> io::Result<()> {
        let is_filtered = self.lines.iter().any(Lines::is_filtered);
        match piece {
            // Lines that are left out are left out for scripts, too.
            piece if self.format == Format::Json && !is_filtered => {
                write_json(&mut io::stdout().lock(), &events::piece(&piece))
            }
            Piece::Output(stream, _, bytes) if self.raw => put(stream, &bytes),
            Piece::Output(stream, offset, bytes) => {
                let shown = self.lines[stream as usize].push(offset, &bytes);
                self.show(stream, shown)
            }
            Piece::Gap(stream, _, length) => {
                let shown = self.lines[stream as usize].cut();
                self.show(stream, shown)?;
                tty::say(&gap_in_words(stream, length));
                Ok(())
            }
            end @ Piece::End(_) if self.format == Format::Json => {
                self.caught_up()?;
                self.finish()?;
                write_json(&mut io::stdout().lock(), &events::piece(&end))
            }
            Piece::End(_) => Ok(()),
        }
    }

    /// What was there when reading began was read: the last lines of it are known.
    fn caught_up(&mut self) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let shown = self.lines[stream as usize].caught_up();
            self.show(stream, shown)?;
        }
        Ok(())
    }

    /// A last line that has not ended is one, too.
    fn finish(&mut self) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let shown = self.lines[stream as usize].cut();
            self.show(stream, shown)?;
        }
        Ok(())
    }

    fn show(&self, stream: Stream, shown: Vec<Shown>) -> io::Result<()> {
        for Shown { offset, text } in shown {
            if self.format == Format::Json {
                let piece = Piece::Output(stream, offset, format!("{text}\n").into_bytes());
                write_json(&mut io::stdout().lock(), &events::piece(&piece))?;
            } else {
                put(stream, format!("{text}\n").as_bytes())?;
            }
        }
        Ok(())
    }
}

fn put(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        }
        Stream::Stderr => io::stderr().write_all(bytes),
    }
}

fn offsets(text: &str) -> Result<[u64; 2], String> {
    let number = |text: &str| {
        text.parse().map_err(|_| {
            format!(
                "`{text}` is no number of bytes: give OFFSET, or OFFSET,OFFSET for both streams"
            )
        })
    };
    match text.split_once(',') {
        Some((stdout, stderr)) => Ok([number(stdout)?, number(stderr)?]),
        None => Ok([number(text)?, 0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_one_number_or_two() {
        assert_eq!(offsets("7"), Ok([7, 0]));
        assert_eq!(offsets("7,8"), Ok([7, 8]));
        for wrong in ["", "x", "7,", "-1", "1,2,3"] {
            assert!(offsets(wrong).is_err(), "{wrong}");
        }
    }
}
