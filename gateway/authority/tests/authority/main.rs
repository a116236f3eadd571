//! The authority against hosts that are right, wrong, late, killed and copied, over a
//! real listener on loopback.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod coverage;
mod enrolment;
mod faults;
mod generations;
mod hostile;
mod measured;
mod office;
mod renewal;
mod revocation;
