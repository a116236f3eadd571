//! The engine against its documentation: an evaluator of its own, slow and
//! obvious, says the same of thousands of rule sets and calls; and properties
//! hold that no single example shows.
#![allow(clippy::unwrap_used, reason = "tests")]

mod access;
mod agreement;
mod bounds;
mod calls;
mod properties;
mod reference;
mod rules;

use proptest::prelude::ProptestConfig;

/// So many cases; one that fails is told, and kept by nobody.
fn cases(number: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(number) }
}
