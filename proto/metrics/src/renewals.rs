//! Whether the own certificate renews itself.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::tally::Tally;

/// Renewals of a process's own certificate.
#[derive(Debug, Clone)]
pub struct Renewals {
    tally: Tally<1>,
    /// Seconds since 1970; 0: none since the process began.
    last: Gauge<f64, AtomicU64>,
}

impl Default for Renewals {
    fn default() -> Self {
        let tally = Tally::new(["outcome"]);
        for outcome in ["succeeded", "failed"] {
            tally.begin([outcome]);
        }
        Self { tally, last: Gauge::default() }
    }
}

impl Renewals {
    /// Lets these be written.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Renewals of the own certificate";
        self.tally.register(registry, "renewals", help);
        registry.register(
            "renewal_last_success_timestamp_seconds",
            "When the own certificate was renewed last, in seconds since 1970; 0: not since the start",
            self.last.clone(),
        );
    }

    /// There is a new certificate.
    pub fn succeeded(&self) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        self.last.set(now.as_secs_f64().floor());
        self.tally.count(["succeeded"]);
    }

    /// An attempt came to nothing.
    pub fn failed(&self) {
        self.tally.count(["failed"]);
    }
}
