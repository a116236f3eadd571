//! The harness of the tests that need real processes and a real kernel.
//!
//! Nothing here stands in for a part of Cofferdam: it starts the programs that
//! were built and speaks to them as their real peers do.

pub mod programs;
pub mod warden;
