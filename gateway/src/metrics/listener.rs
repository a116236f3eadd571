//! Where metrics are asked for: `GET /metrics`, on an address of its own.
//!
//! Anybody who reaches the address may ask, and nobody proves who they are: there is no
//! secret in it, and nothing that they send is read but the head of a request. However
//! many ask, it is read once a second at most, and by one at a time; connections are
//! bounded and silent ones are closed, as at the endpoint for calls. On loopback only
//! names of loopback are answered: a page in a browser of this machine can have its own
//! name lead here, and would read along.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cofferdam_metrics::MEDIA_TYPE;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::now;
use super::told::Told;
use crate::gateway::Gateway;
use crate::http::Listener;

/// Connections at the same time: a few collectors ask, each now and then.
const CONNECTIONS: usize = 16;

/// The bound address.
pub(crate) struct MetricsListener(Listener);

/// Who is asked, and what was told last.
struct Desk {
    gateway: Arc<Gateway>,
    /// Whether only this machine reaches the address.
    is_local: bool,
    told: Told,
}

impl MetricsListener {
    /// Binds `address`.
    pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        Listener::bind(address, None, CONNECTIONS).await.map(Self)
    }

    /// The address with the port that was bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Answers until `shutdown` fires.
    pub(crate) async fn serve(self, gateway: Arc<Gateway>, shutdown: CancellationToken) {
        let is_local = is_loopback(self.address().ip());
        let desk = Desk { gateway, is_local, told: Told::default() };
        let router = Router::new().route("/metrics", get(tell)).with_state(Arc::new(desk));
        self.0.serve(router, shutdown).await;
    }
}

async fn tell(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    if desk.is_local && !names_loopback(&headers) {
        let why = "ask by a name of loopback: this address serves its own machine\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    match desk.text().await {
        Some(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text.to_string()).into_response(),
        None => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be read\n").into_response(),
    }
}

/// Whether who asks calls this address what only this machine's own names lead to.
fn names_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| {
        let host = host.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse().is_ok_and(is_loopback)
    })
}

/// Also where it is written as IPv6 (`::ffff:127.0.0.1`).
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

impl Desk {
    async fn text(&self) -> Option<Arc<str>> {
        let gateway = Arc::clone(&self.gateway);
        // Databases and directories are looked at.
        let read =
            move || cofferdam_metrics::text(&gateway.metrics().registry, now::read(&gateway));
        self.told.or_read(read).await
    }
}
