//! What a request of `subscriptions/listen` may really hear: each resource that it names
//! is asked about before the protocol layer sees the request, because that layer tells
//! the client at once which of them are heard, and asks nobody who the client is.
//!
//! What the caller may not have, or what is not there, leaves the request; so the
//! acknowledgement names exactly what is watched.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::call::Origin;
use crate::gateway::Gateway;
use crate::resources::subscription::Subscription;

/// Resources of one request that are looked at; more than one user may watch.
const MOST: usize = 64;

/// What is watched for one stream, until the stream takes it.
pub(crate) struct Prepared(Mutex<Vec<Subscription>>);

impl Prepared {
    /// All of it, once.
    pub(crate) fn take(&self) -> Vec<Subscription> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The request without the resources that its caller is not told of, and the watches of
/// the others. A body of another shape stays as it is, for the protocol layer to refuse.
pub(super) async fn prepare(
    gateway: &Arc<Gateway>,
    origin: impl FnOnce(&Value) -> Origin,
    body: Bytes,
) -> (Bytes, Arc<Prepared>) {
    let none = Arc::new(Prepared(Mutex::default()));
    let Ok(mut request) = serde_json::from_slice::<Value>(&body) else { return (body, none) };
    let uris = request.pointer("/params/notifications/resourceSubscriptions");
    let Some(uris) = uris.and_then(Value::as_array) else { return (body, none) };
    let uris: Option<BTreeSet<String>> =
        uris.iter().map(|uri| uri.as_str().map(str::to_owned)).collect();
    let Some(uris) = uris.filter(|uris| !uris.is_empty()) else { return (body, none) };
    let origin = origin(&request);
    let mut beginning = JoinSet::new();
    for uri in uris.into_iter().take(MOST) {
        let (gateway, origin) = (Arc::clone(gateway), origin.clone());
        beginning.spawn(async move { Subscription::begin(&gateway, &origin, &uri).await });
    }
    let begun: Vec<Subscription> =
        beginning.join_all().await.into_iter().filter_map(Result::ok).collect();
    let heard: Value = begun.iter().map(Subscription::text).collect();
    if let Some(named) = request.pointer_mut("/params/notifications/resourceSubscriptions") {
        *named = heard;
    }
    (Bytes::from(request.to_string()), Arc::new(Prepared(Mutex::new(begun))))
}
