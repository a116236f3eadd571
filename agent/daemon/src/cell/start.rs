//! Why a run did not start, for the one who must act.

use cofferdam_plan::channel::ChannelError;
use cofferdam_plan::{RunPlan, RunStep};

use crate::warden::WardenError;

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A step failed.
    #[error("{}", in_words(*.step, *.errno, .asked))]
    Failed {
        /// Which step.
        step: RunStep,
        /// errno(3); 0 where none applies.
        errno: i32,
        /// What was asked for.
        asked: Box<Asked>,
    },
    /// There is no cgroup for it.
    #[error(transparent)]
    Warden(#[from] WardenError),
    /// The plan could not be sent.
    #[error("cannot send the plan to the cell: {0}")]
    Channel(#[from] ChannelError),
    /// The cell ended.
    #[error("the cell ended before the command started")]
    Vanished,
    /// The cell did not answer.
    #[error("the cell did not start the command in time")]
    Late,
}

/// What of a run plan a failure to start may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    program: String,
    search_path: Vec<String>,
    working_directory: String,
    /// Why the list of programs refuses it, if it does.
    unlisted: Option<String>,
}

impl StartError {
    /// Whether the kernel refused to execute the program.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Failed { step: RunStep::Execute, errno: libc::EACCES, .. })
    }

    /// Whether the cell may have started it all the same, or may yet do so.
    #[must_use]
    pub(super) fn leaves_doubt(&self) -> bool {
        match self {
            // Nothing of such a frame is sent. A cell that ended starts nothing; one
            // that has no socket to give says so in this way, too.
            Self::Channel(ChannelError::TooLong(..))
            | Self::Failed { .. }
            | Self::Warden(_)
            | Self::Vanished => false,
            Self::Channel(_) | Self::Late => true,
        }
    }

    /// The same, told why the list of programs refuses it.
    #[must_use]
    pub fn because(mut self, why: Option<String>) -> Self {
        if let Self::Failed { asked, .. } = &mut self {
            asked.unlisted = why;
        }
        self
    }
}

impl Asked {
    pub(super) fn of(plan: &RunPlan) -> Self {
        Self {
            program: String::from_utf8_lossy(&plan.program).into_owned(),
            search_path: plan.search_path.iter().map(ToString::to_string).collect(),
            working_directory: plan.working_directory.to_string(),
            unlisted: None,
        }
    }
}

/// For the one who must act: the step, on what, why, what to do.
fn in_words(step: RunStep, errno: i32, asked: &Asked) -> String {
    let Asked { program, search_path, working_directory, unlisted } = asked;
    let why = std::io::Error::from_raw_os_error(errno);
    match step {
        RunStep::Execute if errno == libc::ETIMEDOUT => format!(
            "`{program}` was not executed in time: another command of this session stopped it \
             before that, or a file system hangs; use a session of its own, or one_shot"
        ),
        RunStep::FindProgram => format!(
            "there is no program `{program}` in {}; check_command_exists tells what there is",
            search_path.join(":")
        ),
        RunStep::Execute => {
            let remedy = unlisted.as_deref().unwrap_or(
                "it must be a program that exists in the cell's view and that rules, profile and \
                 ceiling let the caller execute",
            );
            format!("cannot execute `{program}`: {why}; {remedy}")
        }
        RunStep::WorkingDirectory => format!(
            "cannot enter the working directory `{working_directory}`: {why}; it must be a \
             directory of the workspace"
        ),
        RunStep::Plan
        | RunStep::Fork
        | RunStep::Limits
        | RunStep::Streams
        | RunStep::Cgroup
        | RunStep::Confine => {
            format!("cannot start `{program}` (at step {}): {why}", step.name())
        }
    }
}
