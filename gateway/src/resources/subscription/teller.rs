//! Tells a subscriber: in a session of the revisions before 2026-07-28, or on a stream
//! of `subscriptions/listen`.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, SubscriptionSink};

/// The longest that telling may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to a subscriber.
#[derive(Debug, Clone)]
pub(crate) enum Teller {
    Session(Peer<RoleServer>),
    Stream(SubscriptionSink),
}

impl Teller {
    /// Tells that `uri` was updated. False: nobody is there any more.
    pub(super) async fn updated(&self, uri: &str) -> bool {
        let told = async {
            match self {
                Self::Session(peer) => {
                    let param = ResourceUpdatedNotificationParam::new(uri);
                    peer.notify_resource_updated(param).await.map_err(|it| it.to_string())
                }
                Self::Stream(sink) => {
                    sink.notify_resource_updated(uri).await.map_err(|it| it.to_string())
                }
            }
        };
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::debug!(error, "a subscriber could not be told of a change");
                false
            }
            Err(_) => {
                tracing::debug!("a subscriber does not take what it is told");
                false
            }
        }
    }
}
