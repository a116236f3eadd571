//! What a journal's owner watches: how far it is, how long the disk takes, how much of
//! it there is.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::directory::segments;

/// Upper bounds of the spans that waits for the disk are counted in, in seconds.
const BOUNDS: [f64; 12] =
    [0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

/// How a journal does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measures {
    /// Sequence of the last record that is written.
    pub written: u64,
    /// Sequence of the last record that the disk has.
    pub durable: u64,
    /// How long the disk took to keep records.
    pub syncs: SyncTimes,
    /// Bytes of all segments; `None` where they cannot be looked at.
    pub bytes: Option<u64>,
    /// It takes nothing more.
    pub has_failed: bool,
}

/// How long each fdatasync(2) took, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncTimes {
    count: u64,
    total: Duration,
    /// Those within each bound and above the one before; the last are above all.
    spans: [u64; BOUNDS.len() + 1],
}

impl SyncTimes {
    pub(crate) fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let span = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.spans[span] += 1;
        self.count += 1;
        self.total = self.total.saturating_add(took);
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Seconds of all together.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.total.as_secs_f64()
    }

    /// Upper bounds in seconds, `f64::MAX` last, with how many were within each and
    /// above the one before.
    #[must_use]
    pub fn spans(&self) -> Vec<(f64, u64)> {
        BOUNDS.into_iter().chain([f64::MAX]).zip(self.spans).collect()
    }
}

/// Bytes of all segments in `directory`.
pub(crate) fn bytes(directory: &Path) -> io::Result<u64> {
    segments(directory)?
        .iter()
        .try_fold(0_u64, |sum, (_, path)| Ok(sum.saturating_add(path.symlink_metadata()?.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_for_the_disk_is_counted_once_and_above_all_bounds_too() {
        let mut times = SyncTimes::default();
        for micros in [0, 100, 101, 4_000, 20_000_000] {
            times.add(Duration::from_micros(micros));
        }
        let spans = times.spans();
        assert_eq!((spans[0], spans[1], spans[4]), ((0.0001, 2), (0.0003, 1), (0.005, 1)));
        assert_eq!(spans.last(), Some(&(f64::MAX, 1)));
        assert_eq!(spans.iter().map(|(_, count)| count).sum::<u64>(), times.count());
        assert!((times.seconds() - 20.004_201).abs() < 1e-9);
    }
}
