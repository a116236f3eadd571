//! Why there is no cell, for the one who must act.

use cofferdam_plan::BuildStep;
use cofferdam_plan::cell::bounds;

use crate::warden::WardenError;

/// Why there is no cell.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The control socket could not be made.
    #[error("cannot make a control socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The warden builds none.
    #[error(transparent)]
    Warden(#[from] WardenError),
    /// A step failed.
    #[error("{detail}")]
    Failed {
        /// Which step.
        step: BuildStep,
        /// errno(3); 0 where none applies.
        errno: i32,
        /// On what, and what to do.
        detail: String,
    },
    /// The user has as many as the host's owner gives one.
    #[error(
        "this user has {0} cells on this host already, as many as `limits.cells_per_user` of its \
         ceiling allows; try again when a run has ended, or its owner raises it"
    )]
    TooMany(u32),
    /// The host has more sockets in the workspace than can be covered.
    #[error(
        "the host has {0} sockets with names beneath the workspace, and {most} can be covered; \
         remove them, or choose another workspace", most = bounds::SOCKETS
    )]
    Sockets(usize),
    /// The kernel does not tell which sockets the host has in the workspace.
    #[error(
        "which sockets of the host lie beneath the workspace, where no cell may reach them, cannot \
         be seen: {file}: {0}; its owner lets the agent read that", file = crate::sockets::LIST
    )]
    SocketsUnseen(#[source] std::io::Error),
    /// A layer that the grant wants is weaker than it should be.
    #[error(
        "the rules want the layer `{layer}` in full, and on this host it is weaker: {detail}; its \
         owner mends that (`cofferdam-agent doctor` tells how), or the rules go without"
    )]
    Weaker {
        /// Which.
        layer: &'static str,
        /// In which way.
        detail: String,
    },
    /// The builder ended without a word.
    #[error("the cell ended while it was being built")]
    Vanished,
    /// The builder took too long.
    #[error("the cell was not ready in time; is a file system of the workspace hanging?")]
    Late,
}
