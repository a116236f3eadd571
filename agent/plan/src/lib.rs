//! All that crosses into root, and from there to PID 1 of a cell: plan types
//! and their codec.
//!
//! Words:
//! - A **cell plan** describes one cell completely: what its root shows, what
//!   Landlock and seccomp allow, its limits. The agent makes it, the warden
//!   checks it against the ceiling and builds it.
//! - A **run plan** describes one command in a cell. It goes from the agent to
//!   PID 1 of the cell and never through root.
//! - A **frame** is a length and a body; both ends refuse a body above their
//!   limit before they allocate for it.
//!
//! Invariant: decoding never panics, never allocates more than the frame's
//! size times a small constant, and accepts exactly what encoding produces
//! (one encoding for each value, no trailing bytes). `tests/fuzz` holds it to
//! that. The crate is pure; moving frames and descriptors is in [`channel`].

pub mod cell;
pub mod channel;
pub mod codec;
pub mod event;
pub mod path;
pub mod report;
pub mod run;
pub mod warden;

pub use cell::{
    Access, BindPlan, CellId, CellPlan, FilterDigest, LandlockPlan, Limits, LinkPlan, Network,
    Rights, ScratchPlan, WorkspacePlan,
};
pub use codec::{Decode, DecodeError, Encode, Frame};
pub use event::CellEvent;
pub use path::{AbsolutePath, PathError};
pub use report::{BuildFailure, BuildStep, Layer, LayerReport, LayerSet, plain};
pub use run::{CellRequest, RunEnding, RunId, RunLimits, RunPlan, RunStep, TerminalSize};
pub use warden::{Leaf, Refusal, WardenEvent, WardenRequest};
