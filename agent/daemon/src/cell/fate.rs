//! What became of a cell that ended without saying how its run did.

use std::time::Duration;

use crate::warden::Gone;

/// How long the warden may take to say that a cell is gone whose control socket is
/// closed.
const TELLING: Duration = Duration::from_secs(2);

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its PID 1 did not end a run at its limit, and the agent gave the cell up.
    GivenUp,
    /// The warden said that it ended. Nothing of ours had ended it.
    Ended,
    /// The warden went down, does not know it, or says nothing.
    WardenGone,
}

impl Fate {
    /// Asks what became of a cell that is closing, for a moment.
    pub async fn of(mut gone: Gone) -> Self {
        let told = tokio::time::timeout(TELLING, gone.wait()).await.is_ok() && gone.was_told();
        if told { Self::Ended } else { Self::WardenGone }
    }

    /// For the run's outcome.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::GivenUp => {
                "PID 1 of its cell did not end it at its limit of time, so the agent ended the \
                 whole cell"
            }
            Self::Ended => {
                "PID 1 of its cell ended while it ran, and the kernel ended the whole cell with \
                 SIGKILL. Neither agent nor warden did that, and nothing inside a cell can: root \
                 on the host killed PID 1, or the kernel did for want of memory"
            }
            Self::WardenGone => {
                "the cell ended while the warden was down or was started anew, or it is not known \
                 to the warden that followed; the warden's log may say why"
            }
        }
    }
}
