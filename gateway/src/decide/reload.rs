//! When the files with the rules are looked at: every few seconds, and at once
//! when somebody sends SIGHUP.
//!
//! They are read each time and compared with what was there before, which finds
//! every change, whatever the editor does and wherever links lead.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// Looks until shutdown.
pub(crate) async fn reload(gateway: Arc<Gateway>, mut hangup: Signal, shutdown: CancellationToken) {
    loop {
        let again = tokio::select! {
            () = shutdown.cancelled() => return,
            _ = hangup.recv() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        if again {
            tracing::info!("SIGHUP: looking at the rules");
        }
        let gateway = Arc::clone(&gateway);
        let look = move || gateway.policies().look(again, gateway.recorder());
        if let Err(error) = tokio::task::spawn_blocking(look).await {
            tracing::error!(%error, "looking at the rules was broken off; those in force stay");
        }
    }
}
