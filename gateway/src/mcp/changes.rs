//! Tells clients that what they listed may be another list now: tools, prompts and
//! resources, because the rules are others, or because hosts came or left and that makes
//! a difference to this caller; resources, because runs of theirs began or ended. And
//! tells who listens on a stream that single resources were updated.
//!
//! Who is told asks for the list again, and gets what holds then. A session of the
//! revisions before 2026-07-28 is told as long as it lasts; of 2026-07-28, who listens
//! (`subscriptions/listen`) is told as long as their stream and their token last.

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ErrorData, SubscriptionFilter};
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::hosts_changed::{Others, others};
use crate::call::Origin;
use crate::caller::Caller;
use crate::changes::Changes;
use crate::gateway::Gateway;
use crate::http::{Prepared, Subscription};
use crate::resources::subscription::Teller;
use crate::roster::Roster;
use crate::runs_changed::Owner;

/// Between two looks whether who is told still is.
const LOOK: Duration = Duration::from_mins(1);
/// The longest that telling one of them may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Runs that begin and end, and hosts that come and go, within this time are told of
/// once.
const GATHER: Duration = Duration::from_millis(500);

/// What there was to see.
enum Seen {
    Rules,
    Runs,
    Hosts,
    /// It is time to look whether who is told still is.
    Nothing,
    /// The gateway ends.
    End,
}

/// Where changes are seen.
struct Watched {
    rules: watch::Receiver<()>,
    hosts: watch::Receiver<()>,
    runs: watch::Receiver<()>,
    /// As it was when hosts were told of last.
    roster: Arc<Roster>,
}

/// Tells `peer` of each change, until its session or its token ends.
pub(super) async fn tell(gateway: Arc<Gateway>, origin: Origin, peer: Peer<RoleServer>) {
    let caller = Arc::clone(&origin.caller);
    let mut watched = Watched::new(&gateway, Changes::of(&gateway), &caller);
    // A session holds no gateway that has ended.
    let gateway = Arc::downgrade(&gateway);
    while !peer.is_transport_closed() {
        let seen = watched.next().await;
        let Some(gateway) = gateway.upgrade() else { return };
        if gateway.tokens().still(&caller.token_id).is_err() {
            return;
        }
        let by_hosts = watched.others(&gateway, &origin, &seen);
        drop(gateway);
        let told = async {
            match seen {
                Seen::Nothing | Seen::End => Ok(()),
                Seen::Runs => peer.notify_resource_list_changed().await,
                Seen::Rules => {
                    peer.notify_tool_list_changed().await?;
                    peer.notify_prompt_list_changed().await?;
                    peer.notify_resource_list_changed().await
                }
                Seen::Hosts => {
                    if by_hosts.tools {
                        peer.notify_tool_list_changed().await?;
                        peer.notify_prompt_list_changed().await?;
                    }
                    if by_hosts.resources {
                        peer.notify_resource_list_changed().await?;
                    }
                    Ok(())
                }
            }
        };
        if !matches!(tokio::time::timeout(PATIENCE, told).await, Ok(Ok(()))) {
            tracing::debug!("a session could not be told of a change");
        }
        if matches!(seen, Seen::End) {
            return;
        }
    }
}

/// Tells who listens of each change, until they leave, their token is no more, or
/// the gateway stops. A token that is no more is told nothing.
pub(super) async fn listen(
    gateway: &Arc<Gateway>,
    origin: &Origin,
    context: &SubscriptionContext,
) -> Result<(), ErrorData> {
    let Some((stream, prepared)) = admitted(context.request_context()) else {
        return Err(ErrorData::internal_error("the stream was not admitted", None));
    };
    let caller = &origin.caller;
    let mut watched = Watched::new(gateway, stream.changes(), caller);
    let stopping = gateway.approvals().lasting();
    // They end with this stream.
    let mut following = JoinSet::new();
    for subscription in prepared.take() {
        let teller = Teller::Stream(context.sink().clone());
        following.spawn(subscription.follow(Arc::clone(gateway), teller));
    }
    loop {
        let seen = tokio::select! {
            seen = watched.next() => seen,
            // Where a token is no more, its watches see it first.
            Some(_) = following.join_next() => Seen::Nothing,
            () = context.cancelled() => return Ok(()),
            () = stopping.cancelled() => return Ok(()),
        };
        if matches!(seen, Seen::End) || gateway.tokens().still(&caller.token_id).is_err() {
            return Ok(());
        }
        let by_hosts = watched.others(gateway, origin, &seen);
        match tokio::time::timeout(PATIENCE, tell_stream(context, &seen, by_hosts)).await {
            Ok(true) => {}
            _ => return Ok(()),
        }
    }
}

/// Tells what the stream's client asked to hear. False: it is not there any more.
async fn tell_stream(context: &SubscriptionContext, seen: &Seen, by_hosts: Others) -> bool {
    let Others { tools, resources } = match seen {
        Seen::Rules => Others { tools: true, resources: true },
        Seen::Runs => Others { tools: false, resources: true },
        Seen::Hosts => by_hosts,
        Seen::Nothing | Seen::End => return true,
    };
    let (sink, accepted) = (context.sink(), context.accepted());
    let SubscriptionFilter {
        tools_list_changed, prompts_list_changed, resources_list_changed, ..
    } = accepted;
    let hears = |asked: &Option<bool>| *asked == Some(true);
    let told = async {
        if tools && hears(tools_list_changed) {
            sink.notify_tool_list_changed().await?;
        }
        if tools && hears(prompts_list_changed) {
            sink.notify_prompt_list_changed().await?;
        }
        if resources && hears(resources_list_changed) {
            sink.notify_resource_list_changed().await?;
        }
        Ok::<_, rmcp::service::SubscriptionSendError>(())
    };
    told.await.is_ok()
}

impl Watched {
    fn new(gateway: &Gateway, changes: Changes, caller: &Caller) -> Self {
        let Changes { rules, hosts, roster } = changes;
        Self { rules, hosts, roster, runs: gateway.runs_changed().listen(Owner::of(caller)) }
    }

    /// Which lists of `origin` are others, where hosts came or left.
    fn others(&mut self, gateway: &Gateway, origin: &Origin, seen: &Seen) -> Others {
        if !matches!(seen, Seen::Hosts) {
            return Others::default();
        }
        let now = gateway.roster();
        let before = std::mem::replace(&mut self.roster, Arc::clone(&now));
        if Arc::ptr_eq(&before, &now) {
            return Others::default();
        }
        others(&gateway.policy(), origin, &gateway.difference(&before, &now))
    }

    async fn next(&mut self) -> Seen {
        tokio::select! {
            changed = self.rules.changed() => match changed {
                Ok(()) => Seen::Rules,
                Err(_) => Seen::End,
            },
            changed = self.hosts.changed() => match changed {
                Ok(()) => {
                    gather(&mut self.hosts).await;
                    Seen::Hosts
                }
                Err(_) => Seen::End,
            },
            changed = self.runs.changed() => match changed {
                Ok(()) => {
                    gather(&mut self.runs).await;
                    Seen::Runs
                }
                Err(_) => Seen::End,
            },
            () = tokio::time::sleep(LOOK) => Seen::Nothing,
        }
    }
}

/// Waits for what follows soon after a change that was just seen.
async fn gather(changes: &mut watch::Receiver<()>) {
    // Whoever stops waiting meanwhile sees it again.
    changes.mark_changed();
    tokio::time::sleep(GATHER).await;
    changes.mark_unchanged();
}

/// What [`crate::http`] took for this stream.
fn admitted(context: &RequestContext<RoleServer>) -> Option<(&Arc<Subscription>, &Arc<Prepared>)> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<Arc<Subscription>>().zip(parts.extensions.get::<Arc<Prepared>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_told_once_and_also_where_something_else_was_seen_while_it_gathered() {
        let (rules, hosts, runs) =
            (watch::Sender::default(), watch::Sender::default(), watch::Sender::default());
        let mut watched = Watched {
            rules: rules.subscribe(),
            hosts: hosts.subscribe(),
            runs: runs.subscribe(),
            roster: Arc::default(),
        };
        for sender in [&hosts, &runs] {
            sender.send_replace(());
            // As when a watch beside it ends.
            assert!(tokio::time::timeout(GATHER / 5, watched.next()).await.is_err());
            let seen = tokio::time::timeout(GATHER * 10, watched.next()).await.unwrap();
            let is_it = match seen {
                Seen::Hosts => sender.same_channel(&hosts),
                Seen::Runs => sender.same_channel(&runs),
                Seen::Rules | Seen::Nothing | Seen::End => false,
            };
            assert!(is_it);
        }
        assert!(tokio::time::timeout(GATHER * 2, watched.next()).await.is_err());
    }
}
