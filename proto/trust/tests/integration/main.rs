//! The trust crate from outside: real certificates, real TLS over loopback, real
//! key files.

#![allow(clippy::unwrap_used, reason = "a test's set-up may fail as loudly as the test")]

mod certificates;
mod channel;
mod joining;
mod parties;
mod refusals;
mod signatures;
