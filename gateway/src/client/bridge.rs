//! A bridge from stdio to a gateway: reads MCP messages from standard input,
//! hands each to the HTTP endpoint, and writes what comes back.
//!
//! It knows nothing of tools and revisions: both ends are the SDK's transports,
//! which keep sessions, headers and streams.

use rmcp::model::{
    ClientJsonRpcMessage, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::service::{RoleClient, RoleServer};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
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
    loop {
        tokio::select! {
            message = client.receive() => {
                let Some(message) = message else { return Ok(()) };
                let id = request_id(&message);
                let send = gateway.send(message);
                sends.spawn(async move { send.await.map_err(|error| (id, error.to_string())) });
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

/// A request that did not get through needs an answer all the same.
async fn tell_failed<C>(
    client: &mut C,
    sent: Result<Result<(), (Option<RequestId>, String)>, JoinError>,
) -> Result<(), BridgeError>
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
