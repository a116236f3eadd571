//! What outlives this process: runs, their cells and their output, when the agent is
//! restarted, upgraded or killed.
//!
//! Words used here:
//!
//! - The **store** is the service manager's descriptor store (sd_notify(3),
//!   `FDSTORE=1`): what is put there is handed to the next process of the service.
//! - A **log** is a file in memory that only grows: what the next process must know of
//!   a cell or a run, in the order in which it came to be ([`log`]).
//! - A **strip** is a file in memory with the bytes of one stream, each at its offset
//!   ([`strip`]). The kernel moves output there in one call, so that no byte is in this
//!   process alone.
//! - What is **left** is what an earlier process put into the store ([`left`]).
//!
//! Invariant: at every moment, what the store holds is enough to go on. Whatever a cell
//! says is taken off its socket only after it stands in a log, and a run's streams are
//! in the store before PID 1 hears of the run. So being killed is not another case than
//! being asked to end, and needs no farewell.
//!
//! Without a store nothing of this is done, and cells end with the agent.

pub mod cell;
pub mod left;
pub mod log;
pub mod run;
pub mod store;
pub mod strip;

pub use left::Left;
pub use store::Store;

/// The version of what logs hold. Another one is not read: its runs are lost.
pub const VERSION: u32 = 1;
