//! Many hosts behind one gateway, through real processes and sockets: hosts that dial
//! in, hosts that come back, hosts that are held back, and strangers where hosts dial.
//!
//! The agents have no warden: what they are asked here needs no cell.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod held;
mod many;
mod sockets;
mod strangers;
