//! The seccomp filters of cells, compiled at build time from `data/*.toml`.
//!
//! At run time there is nothing here but bytes and their digests: a plan names
//! a filter by digest, and the warden installs the bytes it was built with. No
//! filter ever travels.
#![forbid(unsafe_code)]

#[cfg(test)]
mod arguments;
#[cfg(test)]
mod compile;
#[cfg(test)]
mod data;
#[cfg(feature = "names")]
mod names;
#[cfg(test)]
mod tree;

#[cfg(feature = "names")]
pub use names::{Extent, Refusal, reasons, refusals, syscall_name};

/// A filter: programs that are installed one after the other, so that the
/// strictest verdict counts (seccomp(2)).
#[derive(Debug)]
pub struct Filter {
    /// What a profile calls it.
    pub name: &'static str,
    /// SHA-256 over its programs, and whether each is logged; what a plan
    /// calls it.
    pub digest: [u8; 32],
    /// The filter whose refusals it has, too, with some more.
    pub extends: Option<&'static str>,
    /// In the order in which they are installed.
    pub programs: &'static [Program],
}

/// One seccomp program.
#[derive(Debug)]
pub struct Program {
    /// Its refusals are worth a log line (`SECCOMP_FILTER_FLAG_LOG`): programs
    /// do not expect them. Calls that they try and fall back from are refused
    /// by a program that is not logged.
    pub logged: bool,
    /// `struct sock_filter`s in the machine's byte order.
    pub code: &'static [[u8; 8]],
}

include!(concat!(env!("OUT_DIR"), "/filters.rs"));

/// The filter with this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Filter> {
    FILTERS.iter().find(|filter| filter.name == name)
}

/// The filter with this digest.
#[must_use]
pub fn by_digest(digest: &[u8; 32]) -> Option<&'static Filter> {
    FILTERS.iter().find(|filter| filter.digest == *digest)
}

#[cfg(test)]
mod tests;
