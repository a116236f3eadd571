//! Keeps strangers from filling the journal.
//!
//! Whoever has no valid token can still make the gateway refuse, as often as the
//! network carries. The first of those refusals in each second are recorded one
//! by one; of the others the next record says how many there were.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records of strangers in one window.
const LIMIT: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Flood(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    window: Option<Instant>,
    admitted: u32,
    held_back: u64,
}

impl Flood {
    /// Whether to record the next one, and how many were held back before it.
    pub(super) fn admit(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.window.is_none_or(|began| began.elapsed() >= WINDOW) {
            state.window = Some(Instant::now());
            state.admitted = 0;
        }
        if state.admitted == LIMIT {
            state.held_back += 1;
            return None;
        }
        state.admitted += 1;
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_refusals_are_counted_and_the_next_window_tells() {
        let flood = Flood::default();
        let admitted = (0..100).filter(|_| flood.admit().is_some()).count();
        assert_eq!(admitted, LIMIT as usize);
        flood.0.lock().unwrap().window = None;
        assert_eq!(flood.admit(), Some(100 - u64::from(LIMIT)));
        assert_eq!(flood.admit(), Some(0));
    }
}
