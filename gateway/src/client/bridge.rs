//! A bridge from stdio to a gateway: reads MCP messages from standard input,
//! hands each to the HTTP endpoint, and writes what comes back.
//!
//! It knows nothing of tools, and of revisions only how a connection begins: both
//! ends are the SDK's transports, which keep sessions, headers and streams.

use rmcp::model::{
    ClientJsonRpcMessage, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::service::{RoleClient, RoleServer};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinError, JoinSet};

use super::{ClientError, Endpoint};

/// Why the bridge ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The gateway's side could not be prepared.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The client's side could not be written.
    #[error("cannot write to the MCP client: {0}")]
    Write(std::io::Error),
    /// The gateway's side ended.
    #[error("the connection to the gateway ended; start the bridge anew")]
    GatewayEnded,
}

/// Carries messages both ways until `input` ends.
pub async fn bridge<R, W>(endpoint: &Endpoint, input: R, output: W) -> Result<(), BridgeError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let mut client = AsyncRwTransport::<RoleServer, R, W>::new(input, output);
    let mut gateway =
        rmcp::transport::IntoTransport::<RoleClient, _, _>::into_transport(endpoint.transport()?);
    let ended = carry(&mut client, &mut gateway).await;
    // Ends the session at the gateway.
    if let Err(error) = gateway.close().await {
        tracing::debug!(%error, "the session did not end in order");
    }
    ended
}

async fn carry<C, G>(client: &mut C, gateway: &mut G) -> Result<(), BridgeError>
where
    C: Transport<RoleServer, Error = std::io::Error>,
    G: Transport<RoleClient>,
{
    let mut sends = JoinSet::new();
    let Some(first) = client.receive().await else { return Ok(()) };
    if let Some(greeting) = greeting(&first)
        && let Err(error) = greet(gateway, greeting).await
    {
        tell_failed(client, Ok(Err((request_id(&first), error)))).await?;
        return Err(BridgeError::GatewayEnded);
    }
    pass_on(first, gateway, &mut sends);
    loop {
        tokio::select! {
            message = client.receive() => {
                let Some(message) = message else { return Ok(()) };
                pass_on(message, gateway, &mut sends);
            }
            message = gateway.receive() => match message {
                Some(message) => client.send(message).await.map_err(BridgeError::Write)?,
                None => break,
            },
            Some(sent) = sends.join_next() => tell_failed(client, sent).await?,
        }
    }
    while let Some(sent) = sends.join_next().await {
        tell_failed(client, sent).await?;
    }
    Err(BridgeError::GatewayEnded)
}

/// What became of a message on its way: the request that it was, and why it is lost.
type Sent = Result<(), (Option<RequestId>, String)>;

fn pass_on<G>(message: ClientJsonRpcMessage, gateway: &mut G, sends: &mut JoinSet<Sent>)
where
    G: Transport<RoleClient>,
{
    let id = request_id(&message);
    let send = gateway.send(message);
    sends.spawn(async move { send.await.map_err(|error| (id, error.to_string())) });
}

/// A request of the bridge's own, for where the client's first one is no handshake.
///
/// The SDK takes the first request of a connection for one: until it is answered it
/// sends nothing else, not even a cancellation, and drops what is told on the way. In
/// 2026-07-28 that may be a call that takes minutes.
fn greeting(first: &ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
    let first = serde_json::to_value(first).ok()?;
    let meta = first.pointer("/params/_meta")?;
    let said = |name: &str| meta.get(format!("io.modelcontextprotocol/{name}"));
    if first["method"] == "server/discover" || first["id"].is_null() {
        return None;
    }
    said("protocolVersion")?;
    let own = ["protocolVersion", "clientInfo", "clientCapabilities"].into_iter();
    let own = own.filter_map(|name| {
        said(name).map(|it| (format!("io.modelcontextprotocol/{name}"), it.clone()))
    });
    let own: serde_json::Map<String, Value> = own.collect();
    let greeting = json!({
        "jsonrpc": "2.0", "id": "bridge", "method": "server/discover", "params": { "_meta": own },
    });
    serde_json::from_value(greeting).ok()
}

/// Sends it and waits for its answer, which nobody else sees.
async fn greet<G>(gateway: &mut G, greeting: ClientJsonRpcMessage) -> Result<(), String>
where
    G: Transport<RoleClient>,
{
    gateway.send(greeting).await.map_err(|error| error.to_string())?;
    // Nothing else was asked, so it is the answer, whatever it says.
    gateway.receive().await.map(drop).ok_or_else(|| "it ended the connection".to_owned())
}

/// A request that did not get through needs an answer all the same.
async fn tell_failed<C>(client: &mut C, sent: Result<Sent, JoinError>) -> Result<(), BridgeError>
where
    C: Transport<RoleServer, Error = std::io::Error>,
{
    let Ok(Err((Some(id), error))) = sent else { return Ok(()) };
    let message = format!("the gateway could not be asked: {error}");
    let answer = ServerJsonRpcMessage::error(ErrorData::internal_error(message, None), Some(id));
    client.send(answer).await.map_err(BridgeError::Write)
}

fn request_id(message: &ClientJsonRpcMessage) -> Option<RequestId> {
    match message {
        JsonRpcMessage::Request(request) => Some(request.id.clone()),
        _ => None,
    }
}
