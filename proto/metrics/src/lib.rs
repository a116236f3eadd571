//! Metrics: what gateway and agent have in common, and how all of it is written, which
//! is OpenMetrics' text.
//!
//! Words:
//! - What is **counted** goes on in memory from the start of a process: counters and
//!   histograms, in a [`Registry`].
//! - What is **read** is looked up at the moment of asking: [`Readings`].
//!
//! Invariants: every name begins with `cofferdam_` and ends with its base unit
//! (`_seconds`, `_bytes`), counters with `_total`; the same thing has the same name in
//! gateway and agent; no label's value comes from a caller: each is one of a fixed
//! list, or a name that an owner configured.

#![forbid(unsafe_code)]

mod journal;
mod lapses;
mod readings;
mod renewals;
mod tally;

use std::fmt::Error;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
pub use prometheus_client::registry::Registry;

pub use journal::read_journal;
pub use lapses::{Lapsing, Rhythm, read_lapses};
pub use readings::{Labels, Readings};
pub use renewals::Renewals;
pub use tally::{Spans, Tally};

/// What every name begins with.
const PREFIX: &str = "cofferdam";

/// The media type of [`text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry for what is counted.
#[must_use]
pub fn registry() -> Registry {
    Registry::with_prefix(PREFIX)
}

/// All of it, as text.
///
/// # Errors
/// Never, as far as is known: text is written to memory.
pub fn text(counted: &Registry, read: Readings) -> Result<String, Error> {
    let mut text = String::new();
    encode_registry(&mut text, counted)?;
    let mut now = registry();
    now.register_collector(Box::new(read));
    encode_registry(&mut text, &now)?;
    encode_eof(&mut text)?;
    Ok(text)
}
