//! The proxy as it is: its program, driven as an agent drives it, with real
//! clients, a real name server and hostile bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where it fails")]

mod clients;
mod confinement;
mod dns;
mod greetings;
mod harness;
mod link;
mod names;
mod namespaces;
mod requests;
mod tunnels;
