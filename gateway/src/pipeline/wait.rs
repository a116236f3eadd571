//! How long a call waits for its run: with its caller, or with a task for its caller.

use std::time::Duration;

use crate::call::Call;
use crate::mcp::{MOMENT, RunTask, now};
use crate::tools::HostTool;

/// How long a caller wants to wait; none: to the end of the run.
pub(super) struct Wait {
    plain: Option<Duration>,
    /// Where a task can stand for the call: since when, and for how long.
    as_task: Option<(u64, Option<Duration>)>,
}

impl Wait {
    pub(super) fn of<T: HostTool>(call: &Call, input: &T::Input) -> Self {
        let longest = T::wait_as_task(input).filter(|longest| call.takes_task && *longest > MOMENT);
        let ends = |longest| (longest != Duration::MAX).then_some(longest);
        let as_task = longest.map(|longest| (now(), ends(longest)));
        Self { plain: T::wait(input), as_task }
    }

    /// How long the answer is waited for, and what stands for the call after that. A
    /// caller who has left has something that stands for their call.
    pub(super) fn with(
        self,
        has_left: bool,
        process: impl FnOnce() -> String,
    ) -> (Option<Duration>, Option<RunTask>) {
        match self.as_task {
            None => (self.plain, None),
            Some((_, wait)) if has_left => (wait, None),
            Some((begun, wait)) => {
                (Some(MOMENT), Some(RunTask { process: process(), begun, wait }))
            }
        }
    }
}
