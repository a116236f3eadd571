//! Waits for the end of a run that was left to itself, at whichever host has its name:
//! a host may come by another address meanwhile, or leave.
//!
//! Invariant: nothing is waited for that cannot come any more. A host that left, is
//! revoked or does not know ends the waiting, as the gateway's own end does.
//! [`crate::pipeline`] records what comes of it.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_proto::exec::v1::Finished;

use super::held::Held;
use super::{Host, HostError, Hosts};

/// Between two tries to reach a host.
const PAUSE: Duration = Duration::from_secs(5);

/// Why nobody learns how a run ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untold {
    /// There is no host of this name, or not any more.
    #[error("its host is not one of this gateway's any more")]
    Left,
    /// The host answers, and does not tell it: its words.
    #[error("its host does not tell how it ended: {0}")]
    Refused(String),
    /// The host does not know, or is not believed any more.
    #[error(transparent)]
    Host(HostError),
}

impl Hosts {
    /// How a run ended on the host of this name, and that host, however long it takes to
    /// reach it. None: the gateway stops first.
    pub(crate) async fn end_of(
        &self,
        name: &str,
        run_id: &str,
    ) -> Option<Result<(Arc<Host>, Finished), Untold>> {
        loop {
            let Some(host) = self.get(name) else { return Some(Err(Untold::Left)) };
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return None,
                ended = until_it_ends(&host, run_id) => {
                    return Some(ended.map(|finished| (Arc::clone(&host), finished)));
                }
                // By another address it is another host.
                () = host.gone.cancelled() => {}
            }
        }
    }
}

async fn until_it_ends(host: &Host, run_id: &str) -> Result<Finished, Untold> {
    loop {
        match host.end_of(run_id).await {
            Ok(Some(finished)) => return Ok(finished),
            Ok(None) => {}
            Err(error) => {
                let error = passing(error)?;
                tracing::debug!(run_id, %error, "the end of a run cannot be seen yet");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A failure that may pass.
///
/// # Errors
/// One after which it is no use to ask again.
fn passing(error: HostError) -> Result<HostError, Untold> {
    match error {
        HostError::Refused(refused) => Err(Untold::Refused(refused.message)),
        HostError::Lost { .. } | HostError::Held(Held::Revoked { .. }) => Err(Untold::Host(error)),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_does_not_know_or_is_revoked_is_not_asked_again_and_one_that_is_away_is() {
        let host = || "a".to_owned();
        let lost = HostError::Lost { host: host(), reason: "it was killed".to_owned() };
        let untold = passing(lost).unwrap_err().to_string();
        assert!(untold.contains("it was killed"), "{untold}");
        let revoked = HostError::Held(Held::Revoked { host: host() });
        assert!(matches!(passing(revoked), Err(Untold::Host(_))));
        let away = HostError::Unreachable { host: host(), reason: String::new() };
        assert!(passing(away).is_ok());
        // Its certificate alone may be revoked, and it comes with another one.
        assert!(passing(HostError::Held(Held::Cut { host: host() })).is_ok());
    }
}
