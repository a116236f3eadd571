//! The network proxy: the one way out of a cell whose profile says
//! `network.mode = "proxy"`, to named destinations only.
//!
//! Words:
//! - A **listener** is a TCP socket on the loopback of a cell's network
//!   namespace. PID 1 of the cell made it, the agent hands it over with what its
//!   run may reach. The proxy never enters the namespace.
//! - A **target** is what the run asks for, by HTTP CONNECT, plain HTTP or
//!   SOCKS 5 (`client`).
//! - A **tunnel** carries bytes both ways between the run and a target
//!   (`tunnel`).
//!
//! The life of a connection: accept (`listener`) → read the request (`client`,
//! `request`, `socks`) → ask the lists, resolve, check each answer, connect to
//! an address that was checked (`dial`) → look at the TLS greeting (`client_hello`)
//! → carry bytes → report (`account`).
//!
//! Invariants: no byte reaches a target that every list of the listener does not
//! allow; an address is connected to exactly as it was checked; every
//! connection that sent a byte is reported or counted; whatever a run or a
//! server sends, memory for it is bounded. The process holds no right that it
//! does not need (`confine`).
#![forbid(unsafe_code)]

mod account;
mod agent;
mod arguments;
mod ceiling;
mod channel;
mod client;
pub mod client_hello;
pub mod confine;
mod dial;
mod endpoint;
mod forward;
mod listener;
mod names;
mod refuse;
pub mod request;
pub mod response;
pub mod socks;
mod tunnel;

pub use arguments::Arguments;
pub use ceiling::CeilingFile;
pub use dial::Dialer;
pub use endpoint::{Endpoint, EndpointError};
pub use names::Names;
