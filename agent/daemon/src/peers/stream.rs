//! Looks again at who calls, at each message of a call that goes on: one that was
//! let in an hour ago may have been revoked since, or its certificate have ended.
//!
//! A refused response ends with its status; a refused request fails where it is
//! read. The gateway attaches again at the offset that it has, with its new
//! certificate, so that an end loses nothing.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cofferdam_trust::Peer;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::PeersLayer;

/// A look at the ceiling's file and the clock is enough so often; a new trust list is
/// noticed at once.
const LOOK: Duration = Duration::from_millis(250);

/// Looks at the peer of one call.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Call>);

#[derive(Debug)]
struct Call {
    peers: PeersLayer,
    peer: Peer,
    path: String,
    /// When the peer was looked at, and by which trust list.
    looked: Mutex<(Instant, u64)>,
    recorded: AtomicBool,
}

/// A body whose messages are for a peer that may call when they pass.
struct Watched {
    inner: Body,
    watch: Watch,
    /// A response tells its end as gRPC does, in trailers.
    is_response: bool,
    over: bool,
}

impl Watch {
    pub(super) fn new(peers: PeersLayer, peer: Peer, path: String) -> Self {
        let looked = Mutex::new((Instant::now(), peers.standing.edition()));
        Self(Arc::new(Call { peers, peer, path, looked, recorded: AtomicBool::new(false) }))
    }

    pub(super) fn over_request(&self, inner: Body) -> Body {
        Body::new(Watched { inner, watch: self.clone(), is_response: false, over: false })
    }

    pub(super) fn over_response(&self, inner: Body) -> Body {
        Body::new(Watched { inner, watch: self.clone(), is_response: true, over: false })
    }

    /// Whether the peer may still call; told and recorded once where not.
    fn check(&self) -> Result<(), Status> {
        let Call { peers, peer, path, looked, recorded } = &*self.0;
        let edition = peers.standing.edition();
        {
            let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.1 == edition && looked.0.elapsed() < LOOK {
                return Ok(());
            }
            *looked = (Instant::now(), edition);
        }
        peers.check_again(peer).map_err(|fault| {
            // What follows of the same call is refused as well.
            let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
            looked.1 = u64::MAX;
            if !recorded.swap(true, Ordering::Relaxed) {
                peers.recorder.refused_peer(Some(&peer.name), path, &fault);
            }
            fault.into_status()
        })
    }
}

impl HttpBody for Watched {
    type Data = <Body as HttpBody>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
        if frame.is_trailers() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let Err(status) = self.watch.check() else { return Poll::Ready(Some(Ok(frame))) };
        self.over = true;
        // What is under way behind it ends with its reader.
        self.inner = Body::empty();
        let mut trailers = HeaderMap::new();
        if self.is_response && status.add_header(&mut trailers).is_ok() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(Some(Err(status)))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
