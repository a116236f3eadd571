//! Ends runs that an earlier gateway process left behind.
//!
//! Their outcome is recorded as lost already, and nobody waits for their output.
//! Which host each was on is not known any more, so every host is told; a host
//! that never had it says so.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Host, HostError};

/// Between two tries of a host that does not answer, and how many.
const PAUSE: Duration = Duration::from_secs(10);
const TRIES: u32 = 60;

/// Tells `host` to end `runs`, until it has answered for all of them.
pub(super) async fn end(host: Arc<Host>, mut runs: Vec<String>, shutdown: CancellationToken) {
    for _ in 0..TRIES {
        let mut unanswered = Vec::new();
        for run in runs {
            match host.cancel(&run).await {
                Ok(()) => {
                    tracing::info!(host = host.name(), run, "ended a run that was left behind");
                }
                Err(HostError::Refused(_)) => {}
                Err(error) => {
                    tracing::debug!(host = host.name(), run, %error, "cannot end a run yet");
                    unanswered.push(run);
                }
            }
        }
        runs = unanswered;
        if runs.is_empty() {
            return;
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    tracing::warn!(host = host.name(), ?runs, "gave up on ending runs that were left behind");
}
