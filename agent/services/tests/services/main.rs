//! The crate as the agent uses it: real journal files, and a bus of the tests' own.
//!
//! The journal files and what journalctl reads from them were made by `fixtures/make`
//! with systemd 252, so that nothing here needs systemd.
#![forbid(unsafe_code)]

mod bus;
mod fixtures;
mod hostile;
mod journal;
mod paging;
mod units;
