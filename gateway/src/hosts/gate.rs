//! What every call to a host passes: the owner's hold on it, its revocation, and the
//! end of its certificate.
//!
//! Invariant: there is no other way to a host's channel. A call is looked at when it
//! is made, and its answer at every message: what a host says once it is revoked
//! reaches nobody.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::Service;

use super::ground::Ground;
use super::held::{Held, holds};
use super::link::{Carries, Link};

/// The way of calls to one host.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    link: Arc<Link>,
    ground: Arc<Ground>,
    carries: Carries,
    /// Not a caller's call: the gateway looks after the host itself.
    is_own: bool,
}

impl Gate {
    pub(super) fn new(link: Arc<Link>, ground: Arc<Ground>, carries: Carries) -> Self {
        Self { link, ground, carries, is_own: false }
    }

    /// For what the gateway itself has to say to a host that is held back.
    pub(super) fn for_itself(link: Arc<Link>, ground: Arc<Ground>) -> Self {
        Self { link, ground, carries: Carries::Calls, is_own: true }
    }

    fn check(&self, path: &str) -> Option<Held> {
        let agent = self.link.agent();
        if let Some(held) = self.ground.shut_out(agent) {
            return Some(held);
        }
        if self.is_own {
            return None;
        }
        holds(agent.name(), self.ground.held_back(agent.name()), path)
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Answer>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    /// The channel is waited for in the call.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(held) = self.check(request.uri().path()) {
            return Box::pin(std::future::ready(Err(status(held))));
        }
        let (mut channel, cut) = self.link.line(self.carries);
        let host = self.link.agent().name().to_owned();
        let passed = async move {
            let failed = |error: tonic::transport::Error| Status::from_error(Box::new(error));
            std::future::poll_fn(|cx| GrpcService::<Body>::poll_ready(&mut channel, cx))
                .await
                .map_err(failed)?;
            let answer = GrpcService::call(&mut channel, request).await.map_err(failed)?;
            Ok(answer.map(|body| Answer::new(body, host, cut)))
        };
        Box::pin(passed)
    }
}

/// What a host answers, for as long as it is believed.
pub(super) struct Answer {
    body: Body,
    host: String,
    is_cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Answer {
    fn new(body: Body, host: String, cut: CancellationToken) -> Self {
        Self { body, host, is_cut: Box::pin(cut.cancelled_owned()) }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_cut.as_mut().poll(cx).is_ready() {
            let host = self.host.clone();
            return Poll::Ready(Some(Err(status(Held::Cut { host }))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// As the clients above take it; what it is stays with it.
fn status(held: Held) -> Status {
    let mut status = Status::failed_precondition(held.to_string());
    status.set_source(Arc::new(held));
    status
}
