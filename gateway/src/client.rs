//! A small MCP client for a gateway: what `cofferdam call` and `cofferdam mcp`
//! use, and what `cofferdam approve` does.
//!
//! [`Client`] calls one tool after the other; [`bridge()`] gives a client that
//! speaks stdio the gateway's HTTP endpoint; [`Approvals`] answers requests for
//! approval.

mod approvals;
mod bridge;
mod files;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{CallToolRequestParams, ClientConfig, Implementation, ProgressNotificationParam};
use rmcp::service::{
    ClientInitializeError, NotificationContext, RoleClient, RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::FixedInterval;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpError,
};
use rmcp::{ClientHandler, ServiceExt};
use zeroize::Zeroizing;

pub use approvals::{Answer, Approvals, ApprovalsError};
pub use bridge::{BridgeError, bridge};
pub use files::{
    Download, Files, FilesError, Place, Upload, Uploaded, Whole, path_bytes, path_text,
};

pub use crate::transcript::plain_line;
pub use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool};

/// How often an answer that broke off is asked for again: a network may be back in a
/// moment, a gateway that was killed knows nothing of it any more, and whoever waits has
/// to hear of that. By itself the SDK asks for ever.
const RESUMED: usize = 10;
const RESUME_PAUSE: Duration = Duration::from_millis(500);

/// Where a gateway is, and with what to show oneself.
#[derive(Clone)]
pub struct Endpoint {
    /// The MCP URL, such as `http://127.0.0.1:8460/mcp`.
    pub url: String,
    /// The bearer token, of the purpose that is needed.
    pub token: Zeroizing<String>,
    /// A PEM file with authorities that the gateway's certificate may come
    /// from, besides the system's.
    pub authorities: Option<PathBuf>,
}

/// A connection to a gateway.
pub struct Client(RunningService<RoleClient, Listener>);

/// Is told of progress.
struct Listener {
    on_progress: Box<dyn Fn(&str) + Send + Sync>,
}

/// Why the gateway could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The HTTP client cannot be made.
    #[error("cannot prepare an HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The file with authorities cannot be read.
    #[error("cannot read the authorities `{path}`: {source}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The gateway does not take the token.
    #[error(
        "the gateway at `{0}` does not take the token; make one with `cofferdam token create` and \
         give it in COFFERDAM_TOKEN"
    )]
    Unauthenticated(String),
    /// The gateway does not answer, or not as an MCP server.
    #[error("cannot reach the gateway at `{url}`: {why}; is it running, and is this its MCP URL?")]
    Connect {
        /// The URL.
        url: String,
        /// The first cause.
        why: String,
    },
    /// The call failed in the protocol.
    #[error("the call failed: {0}")]
    Call(#[from] Box<ServiceError>),
    /// The gateway takes longer than any answer may.
    #[error("the gateway has not answered for {seconds} seconds")]
    Silent {
        /// How long that was.
        seconds: u64,
    },
}

impl ClientError {
    /// Whether the connection is the matter, so that another one may help; whether
    /// what was asked for was done is not known then.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Silent { .. } => true,
            Self::Call(error) => !matches!(**error, ServiceError::McpError(_)),
            Self::Http(_) | Self::Authorities { .. } | Self::Unauthenticated(_) => false,
        }
    }
}

impl Endpoint {
    fn http_client(&self) -> Result<reqwest::Client, ClientError> {
        Ok(self.http_builder()?.build()?)
    }

    fn http_builder(&self) -> Result<reqwest::ClientBuilder, ClientError> {
        // Another part of the process may have installed one; either is ours.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true);
        if self.url.starts_with("http:") {
            // There is no certificate to check, and a host need not have any authority's.
            builder = builder.tls_certs_only([]);
        }
        if let Some(path) = &self.authorities {
            let pem = std::fs::read(path)
                .map_err(|source| ClientError::Authorities { path: path.clone(), source })?;
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem)?);
        }
        Ok(builder)
    }

    fn transport(&self) -> Result<StreamableHttpClientTransport<reqwest::Client>, ClientError> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.url.as_str())
            .auth_header(self.token.as_str());
        let mut again = FixedInterval::default();
        (again.max_times, again.duration) = (Some(RESUMED), RESUME_PAUSE);
        config.retry_config = Arc::new(again);
        Ok(StreamableHttpClientTransport::with_client(self.http_client()?, config))
    }
}

impl Client {
    /// Opens a session. `on_progress` is told what a call that goes on says.
    pub async fn connect(
        endpoint: &Endpoint,
        on_progress: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, ClientError> {
        let listener = Listener { on_progress: Box::new(on_progress) };
        match listener.serve(endpoint.transport()?).await {
            Ok(service) => Ok(Self(service)),
            Err(error) if error.auth_challenge().is_some() => {
                Err(ClientError::Unauthenticated(endpoint.url.clone()))
            }
            Err(error) => {
                Err(ClientError::Connect { url: endpoint.url.clone(), why: first_cause(&error) })
            }
        }
    }

    /// The gateway's tools.
    pub async fn tools(&self) -> Result<Vec<Tool>, ClientError> {
        Ok(self.0.list_all_tools().await.map_err(Box::new)?)
    }

    /// Calls a tool.
    pub async fn call(
        &self,
        tool: &str,
        arguments: JsonObject,
    ) -> Result<CallToolResult, ClientError> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        Ok(self.0.call_tool(params).await.map_err(Box::new)?)
    }

    /// Ends the session.
    pub async fn close(self) {
        if let Err(error) = self.0.cancel().await {
            tracing::debug!(%error, "the session did not end in order");
        }
    }
}

/// What the failure goes back to in the end; the SDK's own words are long.
fn first_cause(error: &ClientInitializeError) -> String {
    let mut cause: &dyn std::error::Error = match error {
        ClientInitializeError::TransportError { error, .. } => &*error.error,
        other => other,
    };
    // This one does not name its source.
    if let Some(StreamableHttpError::Client(source)) =
        cause.downcast_ref::<StreamableHttpError<reqwest::Error>>()
    {
        cause = source;
    }
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.client_info = Implementation::new("cofferdam", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        if let Some(message) = &progress.message {
            (self.on_progress)(message);
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}
