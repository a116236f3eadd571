//! What was promised, and whether it holds.

use std::fmt;

/// At most so much of something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    most: f64,
    unit: &'static str,
}

impl Target {
    /// At most so many times as long.
    pub(crate) const fn times(most: f64) -> Self {
        Self { most, unit: " times" }
    }

    /// At most so much memory.
    pub(crate) const fn mebibytes(most: f64) -> Self {
        Self { most, unit: " MiB" }
    }

    /// The promise and the verdict on a figure.
    pub(crate) fn judge(self, figure: f64) -> Verdict {
        // What is not a number holds no promise.
        Verdict { target: self, met: figure <= self.most }
    }
}

/// A promise that a figure was held against.
pub(crate) struct Verdict {
    target: Target,
    met: bool,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target: Target { most, unit }, met } = self;
        write!(f, "at most {most}{unit}: {}", if *met { "met" } else { "**missed**" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_does_not_meet_its_target() {
        assert_eq!(Target::times(1.5).judge(1.5).to_string(), "at most 1.5 times: met");
        assert!(!Target::times(1.5).judge(f64::NAN).met);
    }
}
