//! Keeps whoever is refused from filling the journal.
//!
//! Whoever has no valid token can still make the gateway refuse, as often as the
//! network carries, and so can each user with requests that are no calls. The first
//! of those refusals in each second are recorded one by one; of the others the next
//! record says how many there were. Strangers count as one, and each user by
//! themselves.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records in one window.
const LIMIT: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);
/// Users beyond which those without anything to tell are forgotten.
const REMEMBERED: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Flood(Mutex<HashMap<Option<String>, State>>);

#[derive(Debug, Default)]
struct State {
    window: Option<Instant>,
    admitted: u32,
    held_back: u64,
}

impl Flood {
    /// Whether to record the next one of this user, or of strangers, and how many
    /// were held back before it.
    pub(super) fn admit(&self, user: Option<&str>) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > REMEMBERED {
            all.retain(|_, state| state.held_back > 0 || !state.is_over());
        }
        let state = all.entry(user.map(str::to_owned)).or_default();
        if state.is_over() {
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

impl State {
    fn is_over(&self) -> bool {
        self.window.is_none_or(|began| began.elapsed() >= WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_refusals_are_counted_and_the_next_window_tells() {
        let flood = Flood::default();
        let admitted = (0..100).filter(|_| flood.admit(None).is_some()).count();
        assert_eq!(admitted, LIMIT as usize);
        // Nobody pays for others.
        assert_eq!(flood.admit(Some("ada")), Some(0));
        flood.0.lock().unwrap().get_mut(&None).unwrap().window = None;
        assert_eq!(flood.admit(None), Some(100 - u64::from(LIMIT)));
        assert_eq!(flood.admit(None), Some(0));
    }
}
