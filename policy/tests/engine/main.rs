//! The engine against its documentation: an evaluator of its own, slow and
//! obvious, says the same of thousands of rule sets and calls; and properties
//! hold that no single example shows.
#![allow(clippy::unwrap_used, reason = "tests")]

mod access;
mod agreement;
mod calls;
mod properties;
mod reference;
mod rules;
