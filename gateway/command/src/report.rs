//! What a command found out, on its way to standard output: in words for a
//! person, as one JSON document for a script.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::process::shown::{padded, width};

/// For whom the result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// In words.
    Human,
    /// One JSON document on one line.
    Json,
}

/// Something to be shown. Its JSON form is its [`Serialize`].
pub(crate) trait Report: Serialize {
    /// Shows it in words.
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;
}

impl Format {
    /// Shows a report. A reader that went away (`| head`) has seen enough.
    pub(crate) fn show(self, report: &impl Report) -> ExitCode {
        let mut out = io::stdout().lock();
        let written = match self {
            Self::Human => report.write(&mut out),
            Self::Json => write_json(&mut out, report),
        };
        settled(written.and_then(|()| out.flush()))
    }
}

/// One value as one line of JSON.
pub(crate) fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// Success, also where nobody reads any more.
pub(crate) fn settled(written: io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("cofferdam: cannot write the result: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error why there is no result.
pub(crate) fn failure(error: &impl Display, format: Format) {
    complain(&match format {
        Format::Human => format!("cofferdam: {error}"),
        Format::Json => serde_json::json!({ "error": error.to_string() }).to_string(),
    });
}

/// A line on standard error; if nobody reads that either, nothing is left to do.
pub(crate) fn complain(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}

/// Columns that line up: the widest entry of each decides.
pub(crate) fn write_table<const N: usize>(
    out: &mut dyn Write,
    head: [&str; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let mut widths = head.map(width);
    for row in rows {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = (*most).max(width(cell));
        }
    }
    for row in [head.map(str::to_owned)].iter().chain(rows) {
        let padded: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| padded(cell, width)).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut out = Vec::new();
        let row = |name: &str, x: &str| [name.to_owned(), x.to_owned()];
        let rows = [row("a", "two"), row("long", ""), row("日本", "x")];
        write_table(&mut out, ["NAME", "X"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME  X\na     two\nlong\n日本  x\n");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        assert_eq!(settled(Err(io::ErrorKind::BrokenPipe.into())), ExitCode::SUCCESS);
        assert_eq!(settled(Err(io::ErrorKind::StorageFull.into())), ExitCode::FAILURE);
    }
}
