//! Sessions of the MCP revisions before 2026-07-28.
//!
//! Adds to the SDK's in-memory sessions what it lacks: a cap, an owner, and an
//! end for calls whose client has gone. Nothing primes a stream with an empty
//! event, because one popular client takes that for a broken server.
//!
//! Invariants: a session answers only the token that opened it; when a client
//! drops the stream of a call, the call's cancellation token fires.

mod registry;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification,
    GetExtensions, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionHandle, LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{
    ServerSseMessage, SessionId, SessionManager,
};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use crate::caller::Caller;
use crate::config::Limits;
use registry::{CallInSession, Registry};

/// How long a session must have been idle to make room for another.
const IDLE: Duration = Duration::from_mins(10);

/// The sessions of one gateway.
#[derive(Debug)]
pub(crate) struct Sessions {
    inner: LocalSessionManager,
    limit: usize,
    of_user: usize,
    registry: Registry,
}

/// Why a session could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionsError {
    #[error("{0} sessions are open, which is the limit; end one, or try again later")]
    Full(usize),
    #[error("you have {0} sessions open, which is the limit for one user; end one")]
    FullOfUser(usize),
    #[error(transparent)]
    Inner(#[from] LocalSessionManagerError),
}

impl Sessions {
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config.sse_retry = None;
        inner.session_config.keep_alive = Some(limits.session_idle);
        let (limit, of_user) = (limits.sessions.get(), limits.sessions_per_subject.get());
        Self { inner, limit, of_user, registry: Registry::default() }
    }

    /// Makes room for one more session, or refuses; `user`: whose it will be, where
    /// that was not looked at before.
    pub(crate) async fn make_room(&self, user: Option<&str>) -> Result<(), SessionsError> {
        if let Some(user) = user
            && self.registry.count(user) >= self.of_user
        {
            match self.registry.longest_idle(IDLE, Some(user)) {
                Some(idle) => self.close_session(&idle).await?,
                None => return Err(SessionsError::FullOfUser(self.of_user)),
            }
        }
        if self.inner.sessions.read().await.len() < self.limit {
            return Ok(());
        }
        match self.registry.longest_idle(IDLE, None) {
            Some(idle) => self.close_session(&idle).await,
            None => Err(SessionsError::Full(self.limit)),
        }
    }

    /// Whether the session is this caller's. An unknown session is nobody's.
    pub(crate) fn belongs_to(&self, session: &str, caller: &Caller) -> bool {
        self.registry.touch(session, &caller.token_id)
    }

    async fn handle(&self, id: &SessionId) -> Result<LocalSessionHandle, SessionsError> {
        let sessions = self.inner.sessions.read().await;
        let unknown = || LocalSessionManagerError::SessionNotFound(id.clone());
        Ok(sessions.get(id).cloned().ok_or_else(unknown)?)
    }
}

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionsError> {
        self.make_room(None).await?;
        Ok(self.inner.create_session().await?)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionsError> {
        if let Some(caller) = caller_of(&message) {
            self.registry.open(id.clone(), caller.token_id.clone(), caller.user.clone());
        }
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionsError> {
        Ok(self.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionsError> {
        self.registry.close(id);
        Ok(self.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let handle = self.handle(id).await?;
        let request = match &message {
            ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        let broken = |error| SessionsError::from(LocalSessionManagerError::from(error));
        let receiver = handle.establish_request_wise_channel().await.map_err(broken)?;
        handle.push_message(message, receiver.http_request_id).await.map_err(broken)?;
        let inner = ReceiverStream::new(receiver.inner);
        let call = self.registry.call(id.clone());
        Ok(AnswerStream { inner, pending: request.map(|request| (handle, request)), _call: call })
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionsError> {
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.inner.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.inner.resume(id, last_event_id).await?)
    }
}

fn caller_of(message: &ClientJsonRpcMessage) -> Option<&Arc<Caller>> {
    let ClientJsonRpcMessage::Request(request) = message else { return None };
    request.request.extensions().get::<Parts>()?.extensions.get::<Arc<Caller>>()
}

/// The answers to one request. Dropped before its end, it cancels the request.
struct AnswerStream {
    inner: ReceiverStream<ServerSseMessage>,
    pending: Option<(LocalSessionHandle, RequestId)>,
    _call: CallInSession,
}

impl Stream for AnswerStream {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.inner).poll_next(cx);
        if let Poll::Ready(None) = polled {
            self.pending = None;
        }
        polled
    }
}

impl Drop for AnswerStream {
    fn drop(&mut self) {
        let Some((handle, request)) = self.pending.take() else { return };
        let params = CancelledNotificationParam::new(
            Some(request),
            Some("the client closed the connection".to_owned()),
        );
        let message = ClientJsonRpcMessage::notification(
            ClientNotification::CancelledNotification(CancelledNotification::new(params)),
        );
        tokio::spawn(async move {
            if let Err(error) = handle.push_message(message, None).await {
                tracing::debug!(%error, "the session of a cancelled call is gone");
            }
        });
    }
}
