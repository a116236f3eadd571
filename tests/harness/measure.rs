//! What the benchmarks have in common: the yardstick, the machine, times, and
//! memory as the kernel counts it.
//!
//! `make bench` and `make bench-sandbox` call it.

pub mod machine;
pub mod memory;
pub mod run;
pub mod samples;
pub mod spawn;

pub use machine::Machine;
pub use memory::Memory;
pub use samples::Samples;
