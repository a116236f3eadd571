//! Tells open sessions that their tools may be others now, because the rules
//! are: `notifications/tools/list_changed`.
//!
//! Who is told asks for the list again, and gets what the rules in force then
//! say. Only sessions of the revisions before 2026-07-28 are told; requests that
//! stand by themselves are answered by the rules of their moment anyway.

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::service::Peer;

use crate::gateway::Gateway;

/// Between two looks whether the session still is.
const LOOK: Duration = Duration::from_mins(1);
/// The longest that one session may take to be told.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells `peer` of each change, until its session ends.
pub(super) async fn tell(gateway: Arc<Gateway>, peer: Peer<RoleServer>) {
    let mut changes = gateway.policies().changes();
    // A session holds no gateway that has ended.
    drop(gateway);
    while !peer.is_transport_closed() {
        match tokio::time::timeout(LOOK, changes.changed()).await {
            Err(_) => {}
            Ok(Err(_)) => return,
            Ok(Ok(())) => {
                let told = tokio::time::timeout(PATIENCE, peer.notify_tool_list_changed()).await;
                if !matches!(told, Ok(Ok(()))) {
                    tracing::debug!("a session could not be told that its tools changed");
                }
            }
        }
    }
}
