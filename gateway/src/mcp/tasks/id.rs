//! The ids of tasks. An id says all that there is to know of a task beside what its
//! host or the table of approvals knows, so that any gateway finds it after any
//! restart, and none keeps a table of tasks.
//!
//! It opens nothing by itself: whose the run or the request is that it names is asked
//! anew each time. Whoever changes the rest of one changes what they are told of their
//! own run.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Characters of the longest id that is looked at.
const LONGEST: usize = 512;
/// The last millisecond of the year 9999.
const LATEST: u64 = 253_402_300_799_999;

/// What stands for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TaskId {
    /// A run, for as long as its caller said that they wait for it.
    Run(RunTask),
    /// A request for approval, by its id.
    Approval(String),
}

/// A run that stands for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunTask {
    /// The handle of the process.
    pub(crate) process: String,
    /// When the call came: milliseconds since 1970.
    pub(crate) begun: u64,
    /// How long its caller waits; none: to the end of the run.
    pub(crate) wait: Option<Duration>,
}

/// It is none of this gateway's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoTask;

impl RunTask {
    /// When its caller waits no longer: milliseconds since 1970.
    pub(crate) fn until(&self) -> u64 {
        let wait = self.wait.map_or(u128::MAX, |wait| wait.as_millis());
        self.begun.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approval(id) => write!(f, "approval:{id}"),
            Self::Run(RunTask { process, begun, wait: None }) => {
                write!(f, "run:{process}:{begun}:end")
            }
            Self::Run(RunTask { process, begun, wait: Some(wait) }) => {
                write!(f, "run:{process}:{begun}:{}", wait.as_secs())
            }
        }
    }
}

impl FromStr for TaskId {
    type Err = NoTask;

    fn from_str(text: &str) -> Result<Self, NoTask> {
        if text.len() > LONGEST {
            return Err(NoTask);
        }
        match text.split_once(':').ok_or(NoTask)? {
            ("approval", id) => Ok(Self::Approval(id.to_owned())),
            ("run", run) => {
                let mut parts = run.rsplitn(3, ':');
                let wait = match parts.next().ok_or(NoTask)? {
                    "end" => None,
                    seconds => Some(Duration::from_secs(number(seconds)?)),
                };
                let begun = number(parts.next().ok_or(NoTask)?)?;
                let process = parts.next().ok_or(NoTask)?.to_owned();
                if begun > LATEST {
                    return Err(NoTask);
                }
                Ok(Self::Run(RunTask { process, begun, wait }))
            }
            _ => Err(NoTask),
        }
    }
}

/// A number in its one way to be written.
fn number(text: &str) -> Result<u64, NoTask> {
    let number: u64 = text.parse().map_err(|_| NoTask)?;
    if number.to_string() == text { Ok(number) } else { Err(NoTask) }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_all_that_there_is_to_know() {
        let process = "web-1/0b9c2f6e-94ab-4b9f-bd0a-111111111111".to_owned();
        for wait in [None, Some(Duration::from_mins(10))] {
            let id =
                TaskId::Run(RunTask { process: process.clone(), begun: 1_763_769_600_000, wait });
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        let id = TaskId::Approval("ap-0123456789ab".to_owned());
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn what_was_made_up_is_no_task() {
        let long = format!("run:h/{}:1:end", "x".repeat(600));
        for wrong in [
            "",
            "run",
            "run:",
            "run:a",
            "run:a:1",
            "run:a:x:end",
            "run:a:1:x",
            "run:a:-1:end",
            "run:a:+1:end",
            "run:a:01:end",
            "run:a:1:1e9",
            "walk:a:1:end",
            ":::",
            "run:::",
            "run:a:99999999999999999999:end",
            "run:a:253402300800000:end",
            &long,
        ] {
            assert_eq!(wrong.parse::<TaskId>(), Err(NoTask), "{wrong}");
        }
    }

    #[test]
    fn a_wait_without_end_does_not_overflow() {
        let task = |wait| RunTask { process: String::new(), begun: LATEST, wait };
        assert_eq!(task(None).until(), u64::MAX);
        assert_eq!(task(Some(Duration::from_secs(u64::MAX))).until(), u64::MAX);
    }
}
