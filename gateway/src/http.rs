//! The MCP endpoint: from a socket to an authenticated, bounded, well-formed
//! message in the hands of [`crate::mcp`].
//!
//! A request passes, in this order: bearer token → its user's share → body limit →
//! JSON → session's owner, or room for a new session → `Host`, `Origin` and the protocol
//! itself (the SDK). Whatever is refused on the way is answered with an HTTP status and a
//! JSON-RPC error that say what is wrong, and leaves a record.

mod activity;
mod approvals;
mod body;
mod fair;
mod files;
mod listener;
mod listening;
mod refusal;
mod sessions;
mod subscriptions;
mod tls;

#[cfg(test)]
#[path = "../tests/conformance/fixture.rs"]
mod conformance;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;

pub(crate) use listener::Listener;
pub(crate) use listening::Prepared;
pub(crate) use subscriptions::Subscription;
pub use tls::TlsFilesError;
pub(crate) use tls::load as load_tls;

pub use approvals::APPROVALS_PATH;

use crate::caller::Caller;
use crate::changes::Changes;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::mcp;
use fair::Fair;
use refusal::Refusal;
use sessions::Sessions;
use subscriptions::Subscriptions;

/// Where MCP is spoken.
pub const MCP_PATH: &str = "/mcp";

/// Where large files are read and written.
pub(crate) const FILES_PATH: &str = "/files";

/// The header that names a session.
pub(crate) const SESSION: &str = "mcp-session-id";

/// The request that opens a stream of changes, since there are no sessions.
const LISTEN: &str = "subscriptions/listen";

/// The first revision without sessions.
pub(crate) const STATELESS: &str = "2026-07-28";

/// What the protocol layer answers with.
type ProtocolBody = BoxBody<Bytes, Infallible>;

/// What every request needs.
struct Endpoint<H: ServerHandler> {
    gateway: Arc<Gateway>,
    sessions: Arc<Sessions>,
    in_session: StreamableHttpService<H, Sessions>,
    single: StreamableHttpService<H, NeverSessionManager>,
    subscriptions: Subscriptions,
    body_bytes: usize,
    fair: Fair,
}

/// How a request is served.
enum Way {
    /// `initialize`, and what belongs to a session.
    Session,
    /// By itself: every request of 2026-07-28, and requests of older clients
    /// that opened no session.
    Single,
}

/// Makes the routes: `/mcp`, `/files`, `/approvals` and `/healthz`. Each session of MCP,
/// and each request without one, is served by what `new` makes.
pub(crate) fn router<H: ServerHandler>(
    gateway: &Arc<Gateway>,
    new: impl Fn() -> H + Clone + Send + Sync + 'static,
    shutdown: &CancellationToken,
) -> Router {
    let config = gateway.config();
    let sessions = Arc::new(Sessions::new(&config.limits));
    let new = move || Ok(new());
    let with = |sessions| protocol_config(config, shutdown).with_legacy_session_mode(sessions);
    let endpoint = Endpoint {
        gateway: Arc::clone(gateway),
        in_session: StreamableHttpService::new(new.clone(), Arc::clone(&sessions), with(true)),
        single: StreamableHttpService::new(new, Arc::default(), with(false)),
        subscriptions: Subscriptions::new(config.limits.sessions.get()),
        sessions,
        body_bytes: config.limits.body_bytes.get(),
        fair: Fair::new(&config.limits),
    };
    Router::new()
        .route(MCP_PATH, any(serve::<H>))
        .route(FILES_PATH, get(files::download::<H>).put(files::upload::<H>))
        .route("/healthz", get(health::<H>))
        .with_state(Arc::new(endpoint))
        .merge(approvals::routes().with_state(Arc::clone(gateway)))
}

fn protocol_config(config: &Config, shutdown: &CancellationToken) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        // A priming event makes Gemini CLI drop the server.
        .with_sse_retry(None)
        .with_json_response(true)
        .with_allowed_hosts(config.front.hosts.clone())
        .with_allowed_origins(config.front.origins.clone())
        .enforce_origin_validation()
        .with_max_request_body_bytes(config.limits.body_bytes.get())
        .with_cancellation_token(shutdown.child_token())
}

/// Tells a load balancer whether calls can be served: not without a journal.
async fn health<H: ServerHandler>(State(endpoint): State<Arc<Endpoint<H>>>) -> Response {
    let gateway = &endpoint.gateway;
    if !gateway.recorder().is_writable() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the journal cannot be written\n")
            .into_response();
    }
    // What is wrong with them is not for strangers; the log and the journal say.
    let detail = if gateway.policies().is_refused() {
        "ok\nnew rules were refused; those taken before are in force\n"
    } else {
        "ok\n"
    };
    (StatusCode::OK, detail).into_response()
}

async fn serve<H: ServerHandler>(
    State(endpoint): State<Arc<Endpoint<H>>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let caller = match endpoint.authenticate(&parts.headers) {
        Ok(caller) => Arc::new(caller),
        Err(refusal) => return endpoint.refuse(None, &refusal),
    };
    let is_call = parts.method == Method::POST;
    match endpoint.admit(parts, body, &caller).await {
        Ok((way, request)) => {
            let response = match way {
                Way::Session => endpoint.in_session.handle(request).await,
                Way::Single => endpoint.single.handle(request).await,
            };
            endpoint.answer(response, is_call, &caller).await
        }
        Err(refusal) => endpoint.refuse(Some(&caller), &refusal),
    }
}

impl<H: ServerHandler> Endpoint<H> {
    fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let token = bearer(headers).ok_or(Refusal::NoToken)?;
        Ok(self.gateway.tokens().authenticate(token)?.into())
    }

    /// Bounds and checks a request, and finds the way that it goes.
    async fn admit(
        &self,
        mut parts: Parts,
        body: Body,
        caller: &Arc<Caller>,
    ) -> Result<(Way, http::Request<Full<Bytes>>), Refusal> {
        self.fair.count(&caller.user)?;
        let share = self.fair.hold(&caller.user, body::announced(&parts.headers)).await?;
        let bytes = body::read(&parts.headers, body, self.body_bytes).await?;
        let way = self.way(&mut parts, &bytes, caller).await?;
        let bytes = if parts.extensions.get::<Arc<Subscription>>().is_some() {
            let origin = |request: &_| mcp::listener(caller, request);
            let (heard, prepared) = listening::prepare(&self.gateway, origin, bytes).await;
            parts.extensions.insert(prepared);
            heard
        } else {
            bytes
        };
        // The protocol layer puts the parts into each call's context.
        parts.headers.remove(header::AUTHORIZATION);
        parts.extensions.insert(Arc::clone(caller));
        // Given back once the call is over.
        parts.extensions.insert(Arc::new(share));
        Ok((way, http::Request::from_parts(parts, Full::new(bytes))))
    }

    /// After it, the request names a session only where that is the caller's.
    async fn way(&self, parts: &mut Parts, body: &[u8], caller: &Caller) -> Result<Way, Refusal> {
        let is_post = parts.method == Method::POST;
        let method = if is_post { body::method(body)? } else { None };
        let session = parts.headers.remove(SESSION);
        if method.as_deref() == Some(LISTEN) {
            let changes = Changes::of(&self.gateway);
            parts.extensions.insert(self.subscriptions.enter(&caller.user, changes)?);
        }
        if method.as_deref() == Some("initialize") {
            self.sessions.make_room(Some(&caller.user)).await?;
            return Ok(Way::Session);
        }
        match session {
            Some(session) if is_legacy(&parts.headers) => {
                if self.sessions.belongs_to(session.to_str().unwrap_or_default(), caller) {
                    parts.headers.insert(SESSION, session);
                    Ok(Way::Session)
                } else {
                    Err(Refusal::UnknownSession)
                }
            }
            _ if is_post => Ok(Way::Single),
            _ => Ok(Way::Session),
        }
    }

    /// Passes an answer on; one that refuses is recorded and made JSON-RPC.
    async fn answer(
        &self,
        response: http::Response<ProtocolBody>,
        is_call: bool,
        caller: &Arc<Caller>,
    ) -> Response {
        if response.status().is_success() || !is_call {
            return response.map(Body::new);
        }
        let (parts, body) = response.into_parts();
        let refusal = Refusal::from_protocol(parts.status, body).await;
        match parts.headers.get(header::CONTENT_TYPE) {
            Some(kind) if kind == "application/json" => {
                self.record(Some(caller), &refusal);
                (parts, refusal.into_protocol_body()).into_response()
            }
            _ => self.refuse(Some(caller), &refusal),
        }
    }

    fn refuse(&self, caller: Option<&Arc<Caller>>, refusal: &Refusal) -> Response {
        self.record(caller, refusal);
        refusal.to_response()
    }

    fn record(&self, caller: Option<&Arc<Caller>>, refusal: &Refusal) {
        self.gateway.recorder().refused_request(
            caller.map(Arc::as_ref),
            refusal.reason(),
            &refusal.to_string(),
        );
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the request is of a revision that has sessions, or names none.
fn is_legacy(headers: &HeaderMap) -> bool {
    let version = headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
    version.is_none_or(|version| version < STATELESS)
}
