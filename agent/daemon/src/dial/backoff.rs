//! How long to wait between two tries, with some chance in it: hosts that lost their
//! gateway in one moment do not come back in one moment.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Before the first try anew.
const FIRST: Duration = Duration::from_millis(100);
/// The longest: a gateway that is back has all of its hosts within five seconds.
const LAST: Duration = Duration::from_secs(4);

/// The waits of one sequence of tries.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// Waits, longer each time.
    pub(super) async fn wait(&mut self) {
        let wait = self.next();
        tokio::time::sleep(wait).await;
    }

    /// Twice the wait before, a fifth more or less. Not for secrets: the standard
    /// library's hash keys are random enough for this.
    fn next(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.tries)).min(LAST);
        self.tries = self.tries.saturating_add(1);
        let random = RandomState::new().build_hasher().finish();
        let thousandth = u32::try_from(random % 401).unwrap_or(200) + 800;
        wait.saturating_mul(thousandth) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_never_so_long_that_a_gateway_misses_its_hosts() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..40).map(|_| backoff.next()).collect();
        assert!(waits[0] <= Duration::from_millis(120));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(4800)), "{waits:?}");
        assert!(waits[39] >= Duration::from_millis(3200));
    }
}
