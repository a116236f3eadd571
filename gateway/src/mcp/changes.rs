//! Tells clients that their tools may be others now, because the rules are:
//! `notifications/tools/list_changed`.
//!
//! Who is told asks for the list again, and gets what the rules in force then
//! say. A session of the revisions before 2026-07-28 is told as long as it lasts;
//! of 2026-07-28, who listens (`subscriptions/listen`) is told as long as their
//! stream and their token last.

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::ErrorData;
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use tokio::sync::watch;

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::http::Subscription;

/// Between two looks whether who is told still is.
const LOOK: Duration = Duration::from_mins(1);
/// The longest that telling one of them may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What there was to see.
enum Seen {
    Change,
    /// It is time to look whether who is told still is.
    Nothing,
    /// The gateway ends.
    End,
}

/// Tells `peer` of each change, until its session ends.
pub(super) async fn tell(gateway: Arc<Gateway>, peer: Peer<RoleServer>) {
    let mut changes = gateway.policies().changes();
    // A session holds no gateway that has ended.
    drop(gateway);
    while !peer.is_transport_closed() {
        match next(&mut changes).await {
            Seen::Nothing => {}
            Seen::End => return,
            Seen::Change => {
                let told = tokio::time::timeout(PATIENCE, peer.notify_tool_list_changed()).await;
                if !matches!(told, Ok(Ok(()))) {
                    tracing::debug!("a session could not be told that its tools changed");
                }
            }
        }
    }
}

/// Tells who listens of each change, until they leave, their token is no more, or
/// the gateway stops. A token that is no more is told nothing.
pub(super) async fn listen(
    gateway: &Gateway,
    caller: &Caller,
    context: &SubscriptionContext,
) -> Result<(), ErrorData> {
    let Some(subscription) = subscription(context.request_context()) else {
        return Err(ErrorData::internal_error("the stream was not admitted", None));
    };
    let (mut changes, stopping) = (subscription.changes(), gateway.approvals().lasting());
    loop {
        let seen = tokio::select! {
            seen = next(&mut changes) => seen,
            () = context.cancelled() => return Ok(()),
            () = stopping.cancelled() => return Ok(()),
        };
        if gateway.tokens().still(&caller.token_id).is_err() {
            return Ok(());
        }
        match seen {
            Seen::Nothing => {}
            Seen::End => return Ok(()),
            Seen::Change => {
                let sink = context.sink();
                let told = tokio::time::timeout(PATIENCE, sink.notify_tool_list_changed()).await;
                if !matches!(told, Ok(Ok(()))) {
                    // Who asked for nothing that there is, and who has gone.
                    tracing::debug!("who listens could not be told that their tools changed");
                }
            }
        }
    }
}

async fn next(changes: &mut watch::Receiver<()>) -> Seen {
    match tokio::time::timeout(LOOK, changes.changed()).await {
        Err(_) => Seen::Nothing,
        Ok(Err(_)) => Seen::End,
        Ok(Ok(())) => Seen::Change,
    }
}

/// The place that [`crate::http`] took for this stream.
fn subscription(context: &RequestContext<RoleServer>) -> Option<&Arc<Subscription>> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<Arc<Subscription>>()
}
