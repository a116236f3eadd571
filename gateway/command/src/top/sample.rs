//! How busy runs are: from their processor time at two looks.

use std::collections::HashMap;
use std::time::Instant;

use crate::process::listing::Run;

/// Looks at runs.
#[derive(Debug, Default)]
pub(super) struct Samples {
    seen: HashMap<String, Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    cpu_ms: u64,
    percent: Option<f64>,
}

impl Samples {
    /// Takes note of what runs used until `at`; those that are gone are forgotten.
    pub(super) fn take(&mut self, runs: &[Run], at: Instant) {
        let before = std::mem::take(&mut self.seen);
        for run in runs.iter().filter(|run| !run.has_ended()) {
            let Some(cpu_ms) = run.cpu_ms() else { continue };
            let percent = before.get(&run.process).and_then(|before| {
                let elapsed = at.saturating_duration_since(before.at).as_secs_f64();
                let used = u32::try_from(cpu_ms.saturating_sub(before.cpu_ms)).ok()?;
                (elapsed > 0.0).then(|| f64::from(used) / 10.0 / elapsed)
            });
            self.seen.insert(run.process.clone(), Sample { at, cpu_ms, percent });
        }
    }

    /// Percent of one processor; none: not known yet, or ended.
    pub(super) fn percent(&self, run: &Run) -> Option<f64> {
        self.seen.get(&run.process).and_then(|sample| sample.percent)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::process::listing::tests::run;

    #[test]
    fn a_run_is_as_busy_as_it_used_time_between_two_looks() {
        let at = |cpu_ms: u64| {
            [run(json!({ "process": "h/a", "state": "running",
                         "usage": { "cpu_user_ms": cpu_ms, "cpu_system_ms": 0 } }))]
        };
        let (mut samples, begun) = (Samples::default(), Instant::now());
        samples.take(&at(100), begun);
        assert_eq!(samples.percent(&at(0)[0]), None);
        samples.take(&at(1100), begun + Duration::from_secs(2));
        assert_eq!(samples.percent(&at(0)[0]), Some(50.0));
        samples.take(&[], begun + Duration::from_secs(3));
        assert_eq!(samples.percent(&at(0)[0]), None);
    }
}
