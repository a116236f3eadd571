//! Who is killed.

use rustix::process::Signal;

use crate::household::{Household, exists, signal};
use crate::step::Reached;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Gateway,
    Agent,
    Warden,
    /// The cell's first process; while it is built, its builder.
    Pid1,
    /// The run's first process, or the file worker.
    First,
}

impl Victim {
    /// Whether `cofferdam dev` ends with it.
    pub(crate) fn ends_everything(self) -> bool {
        matches!(self, Self::Gateway | Self::Agent | Self::Warden)
    }

    /// Kills it, and then lets go on what was stopped: a process that is stopped
    /// by a stranger cannot do its part.
    pub(crate) fn kill(self, household: &Household, reached: &Reached) {
        let pids = match self {
            Self::Gateway => vec![household.program("cofferdam-gateway")],
            Self::Agent => vec![household.program("cofferdam-agent")],
            Self::Warden => vec![reached.warden],
            Self::Pid1 => reached.pid_1.clone(),
            Self::First => reached.first.into_iter().collect(),
        };
        assert!(!pids.is_empty(), "{self:?} is not there");
        for pid in pids {
            assert!(exists(pid), "{self:?} is gone before it is killed");
            signal(pid, Signal::KILL);
        }
        for stopped in &reached.stopped {
            signal(*stopped, Signal::CONT);
        }
    }
}
