//! Trials: what only doing can tell, done in a child process that is thrown
//! away afterwards.
//!
//! The asking side ([`Trials`]) starts a program of ours with the hidden
//! argument `trial`; that program calls [`perform()`], which leaves nothing
//! behind: namespaces and detached mounts end with the process. A trial that
//! hangs (a dead network file system) is ended and told as such.

mod perform;

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

pub use perform::{TrialError, perform};

/// The hidden argument that makes a program of ours perform a trial.
pub const ARGUMENT: &str = "trial";

/// How long a trial may take.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);
/// The longest answer, in bytes.
const MAX_ANSWER: u64 = 4096;

/// What a trial showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It works.
    Works,
    /// It does not, and why.
    Fails(String),
    /// Nobody tried.
    Untried,
}

/// Which trials there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trial {
    /// A user namespace, and the others inside.
    Rootless,
    /// Every namespace of a cell; root's only.
    Namespaces,
    /// An idmapped mount of a directory; root's only.
    MapOwners,
    /// A process with a user namespace of its own: a part of the one above.
    HoldNamespace,
    /// An overlay file system, within namespaces of its own.
    Overlay,
}

impl Trial {
    const ALL: [Self; 5] =
        [Self::Rootless, Self::Namespaces, Self::MapOwners, Self::HoldNamespace, Self::Overlay];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rootless => "rootless",
            Self::Namespaces => "namespaces",
            Self::MapOwners => "map-owners",
            Self::HoldNamespace => "hold-namespace",
            Self::Overlay => "overlay",
        }
    }

    pub(crate) fn by_name(name: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|trial| name == trial.name())
    }
}

/// Who performs trials.
#[derive(Debug, Clone)]
pub struct Trials {
    program: PathBuf,
}

impl Trials {
    /// Trials by this very program, which must give the arguments after
    /// [`ARGUMENT`] to [`perform()`].
    #[must_use]
    pub fn by_this_program() -> Self {
        Self { program: PathBuf::from("/proc/self/exe") }
    }

    /// Performs one in a child.
    pub(crate) fn make(&self, trial: Trial, about: Option<&Path>) -> Outcome {
        let arguments = about.map(|path| path.as_os_str().to_owned());
        match start(&self.program, trial, arguments.as_slice()) {
            Ok(child) => wait(child),
            Err(error) => Outcome::Fails(format!("the trial could not be started: {error}")),
        }
    }
}

/// Starts a trial with pipes for its input and its answer.
fn start(program: &Path, trial: Trial, arguments: &[OsString]) -> std::io::Result<Child> {
    Command::new(program)
        .arg(ARGUMENT)
        .arg(trial.name())
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// The child's answer: an empty one is good.
fn wait(mut child: Child) -> Outcome {
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            Ok(None) | Err(_) => {
                _ = child.kill();
                // One that the kernel cannot end yet (a dead file system) is left to it.
                _ = child.try_wait();
                return Outcome::Fails("it did not end in time".to_owned());
            }
        }
    };
    if status.success() {
        return Outcome::Works;
    }
    let mut answer = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        _ = pipe.take(MAX_ANSWER).read_to_end(&mut answer);
    }
    let answer = String::from_utf8_lossy(&answer).trim().to_owned();
    Outcome::Fails(if answer.is_empty() {
        format!("the trial ended with {status}")
    } else {
        answer
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(line: &str) -> Outcome {
        let child = Command::new("/bin/sh").args(["-c", line]).stdout(Stdio::piped()).spawn();
        wait(child.unwrap())
    }

    #[test]
    fn an_answer_is_the_reason_of_a_failure() {
        assert_eq!(outcome("exit 0"), Outcome::Works);
        assert_eq!(outcome("echo no; exit 1"), Outcome::Fails("no".to_owned()));
        assert!(matches!(outcome("exit 3"), Outcome::Fails(why) if why.contains('3')));
        assert!(matches!(outcome("kill -9 $$"), Outcome::Fails(_)));
    }

    #[test]
    fn a_program_that_is_not_there_is_a_failure_and_no_panic() {
        let trials = Trials { program: PathBuf::from("/nowhere") };
        assert!(matches!(trials.make(Trial::Rootless, None), Outcome::Fails(_)));
    }

    #[test]
    fn trials_are_known_by_their_names() {
        for trial in Trial::ALL {
            assert_eq!(Trial::by_name(trial.name().as_ref()), Some(trial));
        }
        assert_eq!(Trial::by_name("".as_ref()), None);
    }
}
