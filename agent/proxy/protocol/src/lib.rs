//! What a run may reach through the proxy, and the messages between agent and
//! proxy.
//!
//! Words:
//! - A **destination** is a pattern that rules, profiles and the ceiling write:
//!   names or addresses, ports, and what must be spoken there.
//! - A **target** is one place that a run asks for: a name or an address, and a
//!   port.
//! - An **allow list** is the destinations of one setting. A target is reached
//!   when every list of a run allows it, so that nobody intersects patterns.
//! - A **listener** is a socket in a cell's network namespace that the proxy
//!   serves for one run.
//!
//! Invariant: what is not surely allowed is not. A name is lower-case ASCII in
//! one spelling, an address that is not public is reached only when a
//! destination names it, and an empty set of lists allows nothing.
//!
//! The agent writes the messages and the proxy reads them; profiles and the
//! agent read destinations from files. The crate is pure.
#![forbid(unsafe_code)]

mod block;
mod destination;
mod environment;
mod event;
mod lists;
mod name;
mod ports;
mod refusal;
mod request;
mod target;

pub use block::{Block, BlockError, special};
pub use destination::{Destination, DestinationError, Speech};
pub use environment::environment;
pub use event::{ConnectionReport, Protocol, ProxyEvent, Totals, Verdict};
pub use lists::{AllowList, Lists, Permission};
pub use name::{HostName, NameError};
pub use ports::{Ports, PortsError};
pub use refusal::{Refusal, RefusalKind};
pub use request::{ListenerId, MAX_DESTINATIONS, MAX_LISTS, ProxyRequest, ServeLimits};
pub use target::{Place, Target, TargetError};
