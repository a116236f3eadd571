//! One of the started programs: how it is given its descriptors, how its end is
//! noticed, and how it is ended.
//!
//! A **lifeline** is a pipe whose writing end only `cofferdam dev` holds: when it
//! is gone, whatever the reason, the program at the other end stops by itself.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};

/// How much of a log's end is shown when its program has failed.
const TAIL: u64 = 4 * 1024;

/// A started program.
#[derive(Debug)]
pub(super) struct Child {
    /// What a person calls it.
    pub(super) name: &'static str,
    process: std::process::Child,
    log: PathBuf,
    lifeline: Option<OwnedFd>,
}

/// A program that is not where it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    /// It does not start.
    #[error("cannot start the {name} (`{path}`): {source}")]
    Start {
        /// Which.
        name: &'static str,
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended before its time.
    #[error("the {name} ended ({status}); the end of its log:\n{tail}")]
    Ended {
        /// Which.
        name: &'static str,
        /// How.
        status: String,
        /// The end of it.
        tail: String,
    },
    /// It does not become ready.
    #[error("the {name} is not ready after {seconds} seconds; the end of its log:\n{tail}")]
    NotReady {
        /// Which.
        name: &'static str,
        /// How long was waited.
        seconds: u64,
        /// The end of it.
        tail: String,
    },
    /// What it said when it was ready is not understood.
    #[error("the {name} is of another version than this `cofferdam`: it said `{said}`")]
    Answer {
        /// Which.
        name: &'static str,
        /// What it said.
        said: String,
    },
}

/// A program that is about to be started.
pub(super) struct Starting<'a> {
    name: &'static str,
    path: &'a Path,
    command: Command,
    inherited: Vec<OwnedFd>,
    lifeline: Option<OwnedFd>,
}

impl<'a> Starting<'a> {
    /// Without the caller's environment, and apart from the terminal's signals:
    /// Ctrl-C is for `cofferdam dev`, which then ends it in order.
    pub(super) fn new(name: &'static str, path: &'a Path) -> Self {
        let mut command = Command::new(path);
        command.env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self { name, path, command, inherited: Vec::new(), lifeline: None }
    }

    /// An argument with its value.
    pub(super) fn option(mut self, option: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(option).arg(value);
        self
    }

    /// A flag.
    pub(super) fn flag(mut self, flag: &str) -> Self {
        self.command.arg(flag);
        self
    }

    /// What it finds as its standard input.
    pub(super) fn standard_input(mut self, descriptor: OwnedFd) -> Self {
        self.command.stdin(descriptor);
        self
    }

    /// A variable of the caller's, if it is set.
    pub(super) fn variable(mut self, name: &str) -> Self {
        if let Some(value) = std::env::var_os(name) {
            self.command.env(name, value);
        }
        self
    }

    /// A descriptor, named by its number.
    pub(super) fn descriptor(mut self, option: &str, descriptor: OwnedFd) -> Self {
        self.command.arg(option).arg(descriptor.as_raw_fd().to_string());
        self.inherited.push(descriptor);
        self
    }

    /// A lifeline.
    pub(super) fn lifeline(mut self) -> Result<Self, ChildError> {
        let (end, hold) = pipe().map_err(|source| self.failed(source))?;
        self.lifeline = Some(hold);
        Ok(self.descriptor("--lifeline-fd", end))
    }

    /// Starts it; what it says goes into `log`.
    pub(super) fn start(mut self, log: File, log_path: PathBuf) -> Result<Child, ChildError> {
        self.command.stderr(log);
        // A descriptor is handed over by being left open at exec. No other
        // thread could start a program meanwhile: there is none.
        let opened = self.inherited.iter().try_for_each(|it| fcntl_setfd(it, FdFlags::empty()));
        let process = opened
            .map_err(io::Error::from)
            .and_then(|()| self.command.spawn())
            .map_err(|source| self.failed(source))?;
        let Self { name, lifeline, .. } = self;
        Ok(Child { name, process, log: log_path, lifeline })
    }

    fn failed(&self, source: io::Error) -> ChildError {
        ChildError::Start { name: self.name, path: self.path.to_owned(), source }
    }
}

/// Reading and writing end of a pipe, both closed at exec.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

impl Child {
    /// Lets go of the lifeline: it stops by itself.
    pub(super) fn let_go(&mut self) {
        self.lifeline = None;
    }

    /// The error for its untimely end, if it has ended.
    pub(super) fn has_ended(&mut self) -> Option<ChildError> {
        let status = match self.process.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Some(ChildError::Ended { name: self.name, status, tail: self.tail() })
    }

    /// Whether it has ended and was reaped.
    pub(super) fn is_gone(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Ends it at once, where this user may.
    pub(super) fn kill(&mut self) {
        // The warden is root's; it ends with its socket, and not by our hand.
        _ = self.process.kill();
    }

    /// The error for one that does not become ready.
    pub(super) fn is_not_ready(&self, seconds: u64) -> ChildError {
        ChildError::NotReady { name: self.name, seconds, tail: self.tail() }
    }

    /// The end of its log, from a line's beginning.
    fn tail(&self) -> String {
        let text = read_tail(&self.log).unwrap_or_else(|error| format!("(unreadable: {error})"));
        if text.trim().is_empty() { "(empty)".to_owned() } else { text.trim_end().to_owned() }
    }
}

fn read_tail(path: &Path) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match text.split_once('\n') {
        Some((_, rest)) if start > 0 => Ok(rest.to_owned()),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_end_of_a_log_begins_with_a_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for number in 0..2000 {
            writeln!(file, "line {number}").unwrap();
        }
        let tail = read_tail(file.path()).unwrap();
        assert!(tail.starts_with("line ") && tail.ends_with("line 1999\n"));
        assert!(tail.len() <= 4096);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let error = Starting::new("agent", Path::new("/nonexistent/agent"))
            .start(log.reopen().unwrap(), log.path().to_owned())
            .unwrap_err()
            .to_string();
        assert!(error.contains("agent") && error.contains("/nonexistent/agent"), "{error}");
    }

    #[test]
    fn a_child_ends_when_its_lifeline_does_and_its_end_is_noticed() {
        let log = tempfile::NamedTempFile::new().unwrap();
        // `sh` reads its lifeline, given by number, until it ends.
        let mut child = Starting::new("shell", Path::new("/bin/sh"))
            .option("-c", "echo started >&2; read x < /proc/self/fd/$1; exit 7")
            .lifeline()
            .unwrap()
            .start(log.reopen().unwrap(), log.path().to_owned())
            .unwrap();
        assert!(!child.is_gone());
        child.let_go();
        let error = loop {
            match child.has_ended() {
                Some(error) => break error.to_string(),
                None => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        };
        assert!(error.contains("exit status: 7") && error.contains("started"), "{error}");
        assert!(child.is_gone());
    }
}
