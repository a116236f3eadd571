//! Denials in words: what the sandbox refused a run, and what would allow it.
//!
//! Where audit is on, the kernel multicasts a record of each refusal of
//! Landlock (kernel 6.15) and of each logged one of seccomp. The warden opens
//! that socket, filters it and hands it to the agent; this crate is what the
//! agent does with it:
//!
//! - [`drain`] reads the socket without blocking;
//! - [`records`] decodes a datagram into [`Record`]s: pure, bounded, fuzzed;
//! - [`Attribution`] knows which [`Record`] is of which run, and what was lost;
//! - [`explain`] turns what a run was refused into [`Denial`]s: operation,
//!   object, the setting that governs it and the grant that would allow it.
//!
//! Words. A **record** is one message of the kernel. A **domain** is one layer
//! of Landlock as some process took it on; each run begins with one of its own,
//! made before exec, so that the kernel's number for it stands for the run. A
//! **refusal** is what a record tells, a **denial** is that explained.
//!
//! Invariant: whatever the kernel or a command in a cell makes of the records,
//! nothing here panics, blocks, or grows past the bounds written at each type.
#![forbid(unsafe_code)]

mod attribution;
mod blocker;
mod netlink;
mod plain;
mod record;
mod refusal;
#[cfg(test)]
mod socket_filter;
mod source;
mod text;
mod words;

pub use attribution::{Attribution, Found, Loss, RunKey, Started};
pub use blocker::Blocker;
pub use netlink::Cut;
pub use plain::plain;
pub use record::{
    Access, DecodeError, Domain, Event, Object, Record, Seccomp, Stamp, kind, records,
};
pub use refusal::{Refusal, Refused};
pub use source::{Drained, RECEIVE_BUFFER, drain};
pub use words::{
    Context, Denial, Explained, HostFiles, KillingCall, Layer, Network, Place, Rank, Remedy, Tried,
    Unseen, explain,
};
