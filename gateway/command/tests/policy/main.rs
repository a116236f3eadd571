//! `cofferdam policy`, as a person or a pipeline runs it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

mod desk;
mod diff;
mod learn;
mod replay;
mod shadow;
mod sign;
mod simulate;
mod test;
mod who_can;
