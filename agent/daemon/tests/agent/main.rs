//! The agent with a real warden and real cells: as root with users of their own,
//! as an ordinary user rootless.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ceiling;
mod confinement;
mod doctor;
mod enrolment;
mod files;
mod gateway;
mod hand;
mod host;
mod keeper;
mod outliving;
mod places;
mod processes;
mod programs;
mod refusals;
mod restart;
mod runs;
mod selftest;
mod services;
mod sessions;
mod successor;
mod transfers;
