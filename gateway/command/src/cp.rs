//! `cofferdam cp`: files of any size between here and the workspaces behind a
//! gateway, verified by their digest, gone on with after a connection broke.
//!
//! Words: an **end** is where a file is copied from or to. Invariant: a file is in its
//! place only when all of it is there and its SHA-256 is right; what was there before
//! stays until then.

mod end;
mod fetch;
mod patience;
mod progress;
mod send;
mod tree;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use cofferdam_gateway::client::{Client, ClientError, Files, FilesError, Place};
use serde::Serialize;

use crate::connection::{Connection, ConnectionError, event_loop};
use crate::report::{Format, Report, failure};
use end::End;

const EXAMPLES: &str = "\
A file to a host's workspace, and back:
  cofferdam cp build.tar web-1:build.tar
  cofferdam cp web-1:logs/app.log .

A directory with all that is in it:
  cofferdam cp -r src web-1:src

From another program, and into one:
  pg_dump shop | cofferdam cp - db-1:shop.sql
  cofferdam cp db-1:shop.sql - | head

From one host to another, by way of this machine:
  cofferdam cp web-1:site.tar web-2:site.tar

A path on a host is absolute, or relative to the project's workspace. What has a
colon before the first slash is on a host: a file of such a name is ./a:b here.
Symbolic links, and what is neither file nor directory, are left out with -r and
named. Rules see these copies as download_file and upload_file.

Exit codes: 0: all was copied, and each digest was right; 1: a file here could not
be read or written, or something was left out; 125: the gateway could not be asked,
or the connection broke again and again; 126: it was refused.";

/// What to copy where.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// The project. Needed only where there are several.
    #[arg(long)]
    project: Option<String>,
    /// Copies directories with all that is in them.
    #[arg(short, long)]
    recursive: bool,
    /// Replaces nothing: fails where a file is already.
    #[arg(long)]
    new: bool,
    /// Makes missing parent directories.
    #[arg(short = 'p', long)]
    make_parents: bool,
    /// HOST:PATH, a path here, or `-` for standard input.
    #[arg(value_name = "SOURCE")]
    from: OsString,
    /// HOST:PATH, a path here, or `-` for standard output.
    #[arg(value_name = "DESTINATION")]
    to: OsString,
}

/// Why something was not copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// No gateway to ask.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The gateway could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The gateway or a host.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A tool that walks or makes directories was refused.
    #[error("{0}")]
    Refused(String),
    /// A file here.
    #[error("cannot {operation} `{}`: {source}", path.display())]
    Here {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The command line.
    #[error("{0}")]
    Usage(&'static str),
    /// It is not what the host sent.
    #[error(
        "`{0}` arrived with another SHA-256 than the host told; nothing was written: try again"
    )]
    Digest(String),
    /// It was changed meanwhile.
    #[error("`{0}` was changed while it was copied; try again")]
    Changed(String),
    /// The event loop.
    #[error("cannot start: {0}")]
    EventLoop(#[source] io::Error),
}

/// What was copied.
#[derive(Debug, Default, Serialize)]
struct Copied {
    files: Vec<One>,
    /// What is neither file nor directory, or could not be named here.
    left_out: Vec<String>,
    bytes: u64,
}

/// One file.
#[derive(Debug, Serialize)]
struct One {
    from: String,
    to: String,
    bytes: u64,
    sha256: String,
    /// What could not be kept of a file that was replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// What all copies of one command share.
struct Desk {
    files: Files,
    project: Option<String>,
    only_new: bool,
    make_parents: bool,
    format: Format,
}

pub(crate) fn run(arguments: Arguments, format: Format) -> ExitCode {
    let to_stdout = arguments.to == "-";
    match copy(arguments, format) {
        // Standard output is the file's.
        Ok(copied) if to_stdout => code_of(&copied),
        Ok(copied) => match format.show(&copied) {
            ExitCode::SUCCESS => code_of(&copied),
            failed => failed,
        },
        Err(error) => {
            failure(&error, format);
            ExitCode::from(error.code())
        }
    }
}

fn code_of(copied: &Copied) -> ExitCode {
    if copied.left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn copy(arguments: Arguments, format: Format) -> Result<Copied, CopyError> {
    let Arguments { connection, project, recursive, new, make_parents, from, to } = arguments;
    let (from, to) = (End::parse(from), End::parse(to));
    let is_remote = |end: &End| matches!(end, End::Remote { .. });
    if !is_remote(&from) && !is_remote(&to) {
        return Err(CopyError::Usage(
            "neither end is on a host; write HOST:PATH for the one that is, and use cp(1) between \
             two that are here",
        ));
    }
    let endpoint = connection.endpoint()?;
    let files = Files::new(endpoint.clone())?;
    let desk = Desk { files, project, only_new: new, make_parents, format };
    event_loop().map_err(CopyError::EventLoop)?.block_on(async {
        let copying = async {
            if recursive {
                let client = Client::connect(&endpoint, |_| {}).await?;
                let copied = tree::copy(&desk, &client, from, to).await;
                client.close().await;
                return copied;
            }
            one(&desk, from, to).await
        };
        tokio::select! {
            copied = copying => copied,
            // Dropped, it removes what is half-way there.
            _ = tokio::signal::ctrl_c() => Err(CopyError::Usage("interrupted")),
        }
    })
}

/// Copies one file.
async fn one(desk: &Desk, from: End, to: End) -> Result<Copied, CopyError> {
    let name = from.name();
    let mut copied = Copied::default();
    let (shown_from, shown_to) = (from.to_string(), to.to_string());
    let done = match (from, to) {
        (End::Remote { host, path }, End::Remote { host: other, path: to }) => {
            let held = tempfile::tempfile().map_err(here("make a file in", Path::new("/tmp")))?;
            let fetched = fetch::into(desk, &desk.place(host, path), &held).await?;
            let place = desk.place(other, end::beneath_if_directory(to, name));
            send::from(desk, &place, &held, fetched.mode).await?
        }
        (End::Remote { host, path }, End::Stdio) => {
            fetch::to_stream(desk, &desk.place(host, path), &mut io::stdout().lock()).await?
        }
        (End::Remote { host, path }, End::Local(to)) => {
            let to = end::local_target(to, name);
            fetch::to_file(desk, &desk.place(host, path), &to).await?
        }
        (End::Stdio, End::Remote { host, path }) => {
            if path.ends_with(b"/") || path == b"." {
                return Err(CopyError::Usage("what comes from standard input needs a name there"));
            }
            let held = spooled()?;
            send::from(desk, &desk.place(host, path), &held, send::NEW).await?
        }
        (End::Local(path), End::Remote { host, path: to }) => {
            let (file, mode) = send::open(&path)?;
            let place = desk.place(host, end::beneath_if_directory(to, name));
            send::from(desk, &place, &file, mode).await?
        }
        (End::Local(_) | End::Stdio, End::Local(_) | End::Stdio) => {
            return Err(CopyError::Usage("neither end is on a host"));
        }
    };
    copied.add(shown_from, shown_to, done);
    Ok(copied)
}

/// All of standard input: its digest has to be known before it goes.
fn spooled() -> Result<std::fs::File, CopyError> {
    let path = Path::new("-");
    let mut held = tempfile::tempfile().map_err(here("hold", path))?;
    io::copy(&mut io::stdin().lock(), &mut held).map_err(here("read", path))?;
    Ok(held)
}

/// What came of one file.
struct Done {
    bytes: u64,
    sha256: [u8; 32],
    mode: u32,
    notes: Vec<String>,
}

impl Desk {
    fn place(&self, host: String, path: Vec<u8>) -> Place {
        Place { project: self.project.clone(), host: Some(host), path }
    }
}

impl Copied {
    fn add(&mut self, from: String, to: String, done: Done) {
        let Done { bytes, sha256, mode: _, notes } = done;
        self.bytes += bytes;
        self.files.push(One { from, to, bytes, sha256: cofferdam_trust::hex(&sha256), notes });
    }
}

impl Report for Copied {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for path in &self.left_out {
            writeln!(out, "left out: {path}")?;
        }
        for one in &self.files {
            for note in &one.notes {
                writeln!(out, "{}: {note}", one.to)?;
            }
        }
        match self.files.as_slice() {
            [one] => writeln!(out, "{} -> {}: {} bytes", one.from, one.to, one.bytes),
            many => writeln!(out, "{} files, {} bytes", many.len(), self.bytes),
        }
    }
}

impl CopyError {
    fn code(&self) -> u8 {
        match self {
            Self::Files(FilesError::Refused { .. }) | Self::Refused(_) => 126,
            Self::Connection(_) | Self::Client(_) | Self::Files(_) | Self::EventLoop(_) => 125,
            Self::Here { .. } | Self::Usage(_) | Self::Digest(_) | Self::Changed(_) => 1,
        }
    }
}

fn here(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    move |source| CopyError::Here { operation, path: path.to_owned(), source }
}
