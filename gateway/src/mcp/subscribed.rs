//! What a session of the revisions before 2026-07-28 is subscribed to, until it ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::RoleServer;
use rmcp::model::ErrorData;
use rmcp::service::Peer;
use tokio::task::AbortHandle;

use crate::call::Origin;
use crate::gateway::Gateway;
use crate::resources::subscription::{Subscription, Teller};

/// The subscriptions of one session, by their URIs; they end when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Subscribed(Mutex<HashMap<String, AbortHandle>>);

impl Subscribed {
    /// Has `peer` told of changes of what `uri` names, if it is not already.
    pub(super) async fn add(
        &self,
        gateway: &Arc<Gateway>,
        origin: &Origin,
        uri: &str,
        peer: Peer<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.lock().get(uri).is_some_and(|followed| !followed.is_finished()) {
            return Ok(());
        }
        let subscription = Subscription::begin(gateway, origin, uri).await?;
        let (gateway, teller) = (Arc::clone(gateway), Teller::Session(peer));
        let followed = tokio::spawn(async move {
            let shutdown = gateway.shutdown().clone();
            tokio::select! {
                () = subscription.follow(gateway, teller) => {}
                () = shutdown.cancelled() => {}
            }
        });
        let mut all = self.lock();
        // What is over is not kept, however many runs are subscribed to and end.
        all.retain(|_, followed| !followed.is_finished());
        if let Some(before) = all.insert(uri.to_owned(), followed.abort_handle()) {
            before.abort();
        }
        Ok(())
    }

    /// Tells nothing more of it. What was not subscribed to stays so.
    pub(super) fn remove(&self, uri: &str) {
        if let Some(followed) = self.lock().remove(uri) {
            followed.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        for followed in self.lock().values() {
            followed.abort();
        }
    }
}
