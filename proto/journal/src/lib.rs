//! Append-only, hash-chained journals of intents and outcomes.
//!
//! Words used here:
//!
//! - A **journal** is a directory of segment files. The gateway keeps one and
//!   each agent keeps one; only one process writes it.
//! - A **record** is one line of canonical JSON: sequence, time, kind, body, the
//!   hash of the record before, and its own hash.
//! - An **entry** is what a caller appends; the journal makes a record of it. The
//!   journal adds records of its own: `opened`, `key` and `checkpoint`.
//! - A **checkpoint** is a record that signs the record before it, and with it
//!   everything before. The **head** is a small signed file that names the last
//!   checkpoint, so that a journal that was cut short is found out.
//!
//! Invariants: a record's hash is fixed when it is appended and covers every
//! record before it; what is durable was written in that order; secrets are
//! replaced before anything leaves the caller's memory; a journal that cannot
//! be written takes no more entries, for good; a broken journal is not opened.
//!
//! ```no_run
//! # use cofferdam_journal::*;
//! # async fn example(key: cofferdam_trust::SigningKey) -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::new("spiffe://cofferdam/agent/one", key);
//! let (journal, recovery) = Journal::open("/var/lib/cofferdam-agent/journal".as_ref(), options)?;
//! for run in recovery.unfinished {
//!     journal.append(Entry::Outcome(run.lost("the agent was restarted")))?;
//! }
//! let appended = journal.append(Entry::Intent(Intent::default()))?;
//! appended.durable.wait().await?;
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

mod broken;
mod canonical;
mod chain;
mod clocks;
mod digest;
mod directory;
mod durable;
mod ending;
mod entry;
mod head;
mod journal;
mod lines;
mod measures;
mod read;
mod reconcile;
mod record;
mod recovery;
mod redact;
mod segment;
mod shared;
mod verify;
mod writer;

pub use broken::{Broken, Fault};
pub use clocks::clock_offsets;
pub use digest::{Digest, NotADigest};
pub use directory::DirectoryError;
pub use durable::Durable;
pub use ending::{Ending, Sender, Usage};
pub use entry::{
    Approval, ApprovalStep, Body, Call, Checkpoint, Cut, Denial, Entry, Failure, GatewayWord,
    Intent, KeyChange, Moved, Opened, Outcome, Peer, PeerStep, Policy, PolicyStep, Shadow, Subject,
    Trace,
};
pub use journal::{Appended, Journal, OpenError, Options, Recovery};
pub use measures::{Measures, SyncTimes};
pub use read::{Records, read};
pub use reconcile::{Finding, ReconcileError, Reconciliation, Side, reconcile};
pub use record::{MAX_RECORD, Record};
pub use recovery::Unfinished;
pub use redact::{redact_text, redact_value};
pub use shared::AppendError;
pub use verify::{Verified, verify};
