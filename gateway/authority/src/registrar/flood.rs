//! Keeps strangers from filling the journal: of those who are sent away without
//! anything that proves who they are, some in each minute are recorded.

use std::sync::{Mutex, PoisonError};

use crate::state::Moment;

/// Records of strangers in one minute.
const LIMIT: u32 = 20;

#[derive(Debug, Default)]
pub(super) struct Flood(Mutex<(u64, u32)>);

impl Flood {
    /// Whether to record the next one.
    pub(super) fn admits(&self, now: Moment) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.seconds() / 60;
        if window.0 != minute {
            *window = (minute, 0);
        }
        window.1 = window.1.saturating_add(1);
        window.1 <= LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_the_first_of_each_minute_are_recorded() {
        let flood = Flood::default();
        let admitted = |at| (0..100).filter(|_| flood.admits(Moment::from_seconds(at))).count();
        assert_eq!(admitted(0), 20);
        assert_eq!(admitted(59), 0);
        assert_eq!(admitted(60), 20);
    }
}
