//! Counters and histograms whose labels have values of fixed lists: the type takes
//! nothing but `&'static str`, so that no caller's text ever becomes a label.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of how long a call takes, in seconds.
const BOUNDS: [f64; 14] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 20.0, 60.0, 600.0];

type Set = Vec<(&'static str, &'static str)>;

/// A counter for each combination of `N` labels' values.
#[derive(Debug, Clone)]
pub struct Tally<const N: usize> {
    names: [&'static str; N],
    counters: Family<Set, Counter>,
}

/// A histogram of seconds for each value of one label.
#[derive(Debug, Clone)]
pub struct Spans {
    name: &'static str,
    histograms: Family<Set, Histogram, fn() -> Histogram>,
}

impl<const N: usize> Tally<N> {
    /// With these labels.
    #[must_use]
    pub fn new(names: [&'static str; N]) -> Self {
        Self { names, counters: Family::default() }
    }

    /// Lets it be written; its name gets `_total`.
    pub fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.counters.clone());
    }

    /// Counts one.
    pub fn count(&self, values: [&'static str; N]) {
        self.add(values, 1);
    }

    /// Counts several.
    pub fn add(&self, values: [&'static str; N], count: u64) {
        self.of(values).inc_by(count);
    }

    /// Writes this one as 0 before it was counted, so that its first increase is seen.
    pub fn begin(&self, values: [&'static str; N]) {
        drop(self.of(values));
    }

    fn of(&self, values: [&'static str; N]) -> Counter {
        let set: Set = self.names.into_iter().zip(values).collect();
        Counter::clone(&self.counters.get_or_create(&set))
    }
}

impl Spans {
    /// With this label.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, histograms: Family::new_with_constructor(|| Histogram::new(BOUNDS)) }
    }

    /// Lets it be written; its name ends with `_seconds`.
    pub fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.histograms.clone());
    }

    /// Something took so long.
    pub fn observe(&self, value: &'static str, took: Duration) {
        let set: Set = vec![(self.name, value)];
        self.histograms.get_or_create(&set).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Readings, registry, text};

    #[test]
    fn what_is_counted_has_its_labels_and_begins_at_nothing() {
        let (mut registry, tally, spans) =
            (registry(), Tally::new(["tool", "outcome"]), Spans::new("tool"));
        tally.register(&mut registry, "calls", "Calls");
        spans.register(&mut registry, "call_seconds", "How long");
        tally.begin(["read_file", "lost"]);
        tally.count(["read_file", "completed"]);
        tally.add(["read_file", "completed"], 2);
        spans.observe("read_file", Duration::from_millis(3));
        let text = text(&registry, Readings::default()).unwrap();
        for line in [
            "cofferdam_calls_total{tool=\"read_file\",outcome=\"completed\"} 3",
            "cofferdam_calls_total{tool=\"read_file\",outcome=\"lost\"} 0",
            "cofferdam_call_seconds_bucket{le=\"0.002\",tool=\"read_file\"} 0",
            "cofferdam_call_seconds_bucket{le=\"0.005\",tool=\"read_file\"} 1",
            "cofferdam_call_seconds_count{tool=\"read_file\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
        }
    }
}
