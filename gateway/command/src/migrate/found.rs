//! What was found in the old files, in this system's terms, and a line for each
//! thing that was read.

use serde::Serialize;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Programs that could be run.
    pub(super) allowed: Vec<Program>,
    /// Programs that could not.
    pub(super) blocked: Vec<Program>,
    /// Directories that could be changed.
    pub(super) writable: Vec<String>,
    /// Directories that could be read.
    pub(super) readable: Vec<String>,
    /// Directories that could not even be read.
    pub(super) closed: Vec<String>,
    pub(super) limits: Limits,
    pub(super) projects: Vec<Project>,
    pub(super) lines: Vec<Line>,
}

/// A program with the arguments that it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// A bare name or an absolute path.
    pub(super) name: String,
    /// Its first arguments; more may follow.
    pub(super) first: Vec<String>,
}

/// Bounds of one command.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Bytes.
    pub(super) memory: Option<u64>,
    /// At the same time.
    pub(super) processes: Option<u64>,
    /// Thousandths of one CPU.
    pub(super) cpu_millis: Option<u64>,
    /// Seconds, unless the caller asks for another time.
    pub(super) usual_wall: Option<u64>,
    /// Seconds at most.
    pub(super) most_wall: Option<u64>,
    /// Bytes of output.
    pub(super) output: Option<u64>,
    /// Bytes of one file.
    pub(super) file_size: Option<u64>,
    pub(super) open_files: Option<u64>,
}

/// A project with its workspace, as an old server was for it.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) workspace: Option<String>,
}

/// What became of one thing.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// The file that it stands in.
    pub(super) file: String,
    /// Where in it, such as `allowed_commands[3]`.
    pub(super) key: String,
    /// What it says; empty for a secret.
    pub(super) value: String,
    /// What there is instead; none: nothing.
    pub(super) became: Option<String>,
    /// Why, and what to do.
    pub(super) note: String,
}
