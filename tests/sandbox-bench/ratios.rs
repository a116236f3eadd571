//! Ratios of one thing to another that was measured beside it, and what is
//! told of them.

use std::time::Duration;

/// Ratios in the order of their size.
pub(crate) struct Ratios(Vec<f64>);

impl Ratios {
    /// Of each time to the one at its side.
    pub(crate) fn of(times: impl IntoIterator<Item = (Duration, Duration)>) -> Self {
        times.into_iter().map(|(one, other)| one.as_secs_f64() / other.as_secs_f64()).collect()
    }

    /// The ratio that `percent` of them do not exceed (nearest rank); none: not
    /// a number.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    /// The middle.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }
}

impl FromIterator<f64> for Ratios {
    fn from_iter<I: IntoIterator<Item = f64>>(ratios: I) -> Self {
        let mut ratios: Vec<f64> = ratios.into_iter().collect();
        ratios.sort_by(f64::total_cmp);
        Self(ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_ratios_and_not_of_the_times() {
        let times = [(2, 1), (30, 10), (400, 100)];
        let times = times.map(|(a, b)| (Duration::from_millis(a), Duration::from_millis(b)));
        let ratios = Ratios::of(times);
        assert!((ratios.median() - 3.0).abs() < 1e-9);
        assert!((ratios.percentile(90) - 4.0).abs() < 1e-9);
    }
}
