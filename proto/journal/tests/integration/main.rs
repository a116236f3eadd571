//! The journal crate from outside: real files, real threads, a real full disk.

#![allow(clippy::unwrap_used, reason = "a test's set-up may fail as loudly as the test")]

mod commit;
mod crash;
mod descriptors;
mod desk;
mod full_disk;
mod keys;
mod measured;
mod reconciliation;
mod redaction;
mod tampering;
