//! How often something that broke is tried again: for as long as it gets further,
//! and some times without.

use std::time::Duration;

use cofferdam_gateway::client::FilesError;

/// Attempts that may get nowhere, one after the other.
const ATTEMPTS: u32 = 8;
/// The first rest between two; each is twice the one before, up to the last.
const REST: Duration = Duration::from_millis(200);
const MOST: Duration = Duration::from_secs(10);

/// Counts attempts.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failed: u32,
    reached: u64,
}

impl Patience {
    /// Rests before another attempt, after `error` with so many bytes there; gives the
    /// error back where there is none.
    pub(super) async fn rest(&mut self, error: FilesError, bytes: u64) -> Result<(), FilesError> {
        if !error.is_passing() {
            return Err(error);
        }
        if bytes > self.reached {
            (self.reached, self.failed) = (bytes, 0);
        }
        self.failed += 1;
        if self.failed > ATTEMPTS {
            return Err(error);
        }
        tokio::time::sleep(rest(self.failed)).await;
        Ok(())
    }
}

fn rest(failed: u32) -> Duration {
    MOST.min(REST * 2_u32.saturating_pow(failed.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_up_to_a_bound() {
        let rests: Vec<_> = (1..=ATTEMPTS).map(|failed| rest(failed).as_millis()).collect();
        assert_eq!(rests, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[tokio::test]
    async fn what_is_refused_is_not_tried_again() {
        let refused = FilesError::Refused {
            status: 403,
            reason: "DENIED".into(),
            message: "no".into(),
            kept: None,
        };
        assert!(Patience::default().rest(refused, 0).await.is_err());
        let broken = || FilesError::Broken { url: "u".into(), why: "w".into() };
        let mut patience = Patience { failed: ATTEMPTS, reached: 5 };
        assert!(patience.rest(broken(), 5).await.is_err());
        assert!(patience.rest(broken(), 6).await.is_ok());
    }
}
