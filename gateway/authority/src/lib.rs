//! The authority of a gateway: it invites hosts, certifies and renews them, revokes
//! them, and says whom to trust.
//!
//! Words:
//! - The **authority** is this role: it holds a certificate authority's key and
//!   answers `JoinService`. It lives in the gateway's process and is never root.
//! - A **generation** is one of its certificates; several count while one follows
//!   another.
//! - The **state** is the SQLite file with hosts, tokens, certificates and revocations.
//!   The running authority and the owner's commands open it side by side.
//! - The **owner** is who runs the gateway: invites, approves, revokes.
//! - A host's **standing** is how far it has come: invited, pending, approved, joined,
//!   refused, revoked.
//! - An **alarm** is a sign that two are the same host. Nothing more is certified for
//!   it until the owner says who counts.
//! - The **roster** is what of all this the gateway has to know now.
//!
//! Invariants: whatever changes a standing is an [`Event`] in the same transaction, and
//! no answer leaves before its events are recorded in the gateway's journal; a token
//! counts for the first pair of keys that shows it and for no other; what cannot be
//! read, written or recorded is a refusal.

#![forbid(unsafe_code)]

mod counts;
mod event;
mod host;
mod listener;
mod own;
mod owner;
mod refusal;
mod registrar;
mod roster;
mod service;
mod settings;
mod state;

pub use counts::{Answers, Counts};
pub use event::Event;
pub use host::{Host, HostError, Project, Standing};
pub use own::OwnError;
pub use owner::{GatewayEntry, GenerationEntry, Invitation, Invited, Owner, OwnerError};
pub use refusal::Refusal;
pub use registrar::{OpenError, Recording, Registrar};
pub use roster::{GenerationLapse, JoinedHost, Roster};
pub use service::{JoinServer, StartError};
pub use settings::{Approval, Settings};
pub use state::{State, StateError};
