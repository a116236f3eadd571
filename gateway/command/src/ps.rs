//! `cofferdam ps`: the runs of one's own.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::color::{Color, Tint};
use crate::connection::{Connection, event_loop};
use crate::process::handle::short;
use crate::process::link::{Link, LinkError};
use crate::process::listing::{Listing, Run, Which};
use crate::process::parting::failed;
use crate::process::shown::{bytes, cell, cpu_time, padded, span, width};
use crate::process::start::Place;
use crate::report::{Format, Report};
use crate::tty;

const EXAMPLES: &str = "\
What of mine runs, on every host:
  cofferdam ps

What ended, too, on one host:
  cofferdam ps --all -H web-1

For a script:
  cofferdam ps --all --json | jq -r '.processes[] | select(.state == \"ended\").process'

A handle may be shortened wherever it is clear. MEMORY of a run that ended is the most
that it had. Exits with 1 where a host did not tell.";

/// Columns of a command that nobody cuts to a terminal.
const WIDEST: usize = 4096;
const HEAD: [&str; 7] = ["RUN", "STATE", "AGE", "CPU", "MEMORY", "OUTPUT", "COMMAND"];

/// Which runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    place: Place,
    /// Those that ended, too, as long as their hosts keep them.
    #[arg(long, short)]
    all: bool,
    #[command(flatten)]
    color: Color,
}

/// Runs, on their way to a person or a script.
pub(crate) struct Table<'a> {
    pub(crate) runs: &'a [Run],
    pub(crate) failures: &'a [(String, String)],
    pub(crate) now: Timestamp,
    pub(crate) is_colored: bool,
    /// Columns of the terminal; none: it is none.
    pub(crate) columns: Option<usize>,
}

pub(crate) fn run(arguments: Arguments, format: Format) -> ExitCode {
    let Arguments { connection, place, all, color } = arguments;
    let which = if all { Which::All } else { Which::Running };
    let fetched = event_loop().map_err(LinkError::from).and_then(|runtime| {
        runtime.block_on(async {
            let link = Link::open(connection, tty::say).await?;
            let listing = Listing::fetch(&link, &place, which).await;
            link.close().await;
            listing
        })
    });
    let Listing { runs, failures } = match fetched {
        Ok(listing) => listing,
        Err(error) => return failed(&error, format),
    };
    let is_terminal = io::IsTerminal::is_terminal(&io::stdout());
    let table = Table {
        runs: &runs,
        failures: &failures,
        now: Timestamp::now(),
        is_colored: color.is_on(),
        columns: tty::size().filter(|_| is_terminal).map(|size| size.columns.into()),
    };
    let shown = format.show(&table);
    if format == Format::Human {
        for (host, why) in &failures {
            tty::say(&told(host, why));
        }
    }
    if failures.is_empty() { shown } else { ExitCode::FAILURE }
}

/// A host that did not tell, in words.
pub(crate) fn told(host: &str, why: &str) -> String {
    cell(&format!("{host} does not tell its runs: {why}"), WIDEST)
}

impl Serialize for Table<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let failures =
            self.failures.iter().map(|(host, why)| json!({ "host": host, "error": why }));
        let document = json!({
            "processes": self.runs.iter().map(|run| &run.view).collect::<Vec<&Value>>(),
            "failures": failures.collect::<Vec<Value>>(),
        });
        document.serialize(serializer)
    }
}

impl Report for Table<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.runs.is_empty() {
            return writeln!(out, "nothing of yours runs; `--all` shows what ended");
        }
        self.lines().iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}

impl Table<'_> {
    /// The head and a line for each run, none wider than the terminal.
    pub(crate) fn lines(&self) -> Vec<String> {
        let rows: Vec<[String; 7]> = short(self.runs)
            .iter()
            .zip(self.runs)
            .map(|(handle, run)| row(handle, run, self.now))
            .collect();
        let mut widths = HEAD.map(width);
        for row in &rows {
            for (most, cell) in widths.iter_mut().zip(row) {
                *most = (*most).max(width(cell));
            }
        }
        let head = line(&HEAD.map(str::to_owned), &widths, self.columns);
        let mut lines = vec![Tint::Strong.paint(&head, self.is_colored)];
        lines.extend(rows.iter().zip(self.runs).map(|(row, run)| {
            let line = line(row, &widths, self.columns);
            tint(run).paint(&line, self.is_colored)
        }));
        lines
    }
}

fn tint(run: &Run) -> Tint {
    match (run.has_ended(), run.has_failed()) {
        (_, true) => Tint::Bad,
        (true, false) => Tint::Faint,
        (false, false) => Tint::Good,
    }
}

fn row(handle: &str, run: &Run, now: Timestamp) -> [String; 7] {
    let printed = |key: &str| run.view[key].as_u64().unwrap_or_default();
    [
        cell(handle, 60),
        cell(&run.state_in_words(), 24),
        span(run.age(now)),
        cpu_time(run.cpu_ms()),
        bytes(run.memory()),
        bytes(Some(printed("stdout_bytes").saturating_add(printed("stderr_bytes")))),
        cell(run.text("command"), WIDEST),
    ]
}

fn line(row: &[String; 7], widths: &[usize; 7], columns: Option<usize>) -> String {
    let padded: Vec<String> =
        row.iter().zip(widths).map(|(cell, width)| padded(cell, *width)).collect();
    let line = padded.join("  ").trim_end().to_owned();
    columns.map_or(line.clone(), |columns| crate::process::shown::cut(&line, columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::listing::tests::run;

    fn table(columns: Option<usize>, is_colored: bool) -> Vec<String> {
        let runs = [
            run(json!({
                "process": "web-1/3f2a91bc-0000-4000-8000-000000000001", "state": "running",
                "command": "bash -c 'echo \u{1b}[2J\u{7}'", "started_at": "2026-01-01T00:00:00Z",
                "usage": { "cpu_user_ms": 1500, "cpu_system_ms": 20, "peak_memory_bytes": 9 },
                "memory_bytes": 1_572_864, "stdout_bytes": 2048, "stderr_bytes": 0,
            })),
            run(json!({
                "process": "db/77777777-0000-4000-8000-000000000003", "state": "ended",
                "command": "make 日本", "started_at": "2026-01-01T00:00:00Z",
                "ended_at": "2026-01-01T00:00:05Z", "stdout_bytes": 0, "stderr_bytes": 3,
                "outcome": { "kind": "exited", "code": 2 },
            })),
        ];
        let now = "2026-01-01T00:03:00Z".parse().unwrap();
        Table { runs: &runs, failures: &[], now, is_colored, columns }.lines()
    }

    #[test]
    fn runs_are_a_table_in_which_nothing_acts() {
        assert_eq!(
            table(None, false),
            [
                "RUN             STATE     AGE  CPU    MEMORY  OUTPUT  COMMAND",
                "web-1/3f2a91bc  running   3m   1.52s  1.5M    2.0K    bash -c 'echo \\u{1b}[2J\\u{7}'",
                "db/77777777     exited 2  5s   -      -       3B      make 日本",
            ]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_what_failed_is_seen() {
        let lines = table(Some(40), false);
        assert!(lines.iter().all(|line| width(line) <= 40), "{lines:?}");
        assert!(lines[1].ends_with('…'), "{lines:?}");
        let colored = table(Some(40), true);
        assert!(colored[0].starts_with("\u{1b}[1mRUN") && colored[2].starts_with("\u{1b}[31mdb/"));
    }
}
