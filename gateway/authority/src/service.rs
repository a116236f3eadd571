//! `JoinService`, served: from a connection to a judgement and back.
//!
//! What a request says is judged on a thread that may wait for the disk, by a few at a
//! time. A stream of trust lists belongs to one host; its next one ends the one before.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use cofferdam_proto::join::v1::enrol_response::Answer as WireAnswer;
use cofferdam_proto::join::v1::join_service_server::{JoinService, JoinServiceServer};
use cofferdam_proto::join::v1::{
    Credentials, EnrolRequest, EnrolResponse, Pending, RenewRequest, RenewResponse, WatchRequest,
    WatchResponse,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Extensions, Request, Response, Status};

use crate::listener::{Guest, Listener};
use crate::refusal::Refusal;
use crate::registrar::{Answer, Registrar};
use crate::roster::Roster;

/// The largest request: a claim and its signature.
const MAX_REQUEST: usize = 32 * 1024;
/// Requests under way on one connection.
const MAX_STREAMS: u32 = 8;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a silent connection is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Judged at the same time; there is one disk.
const JUDGES: usize = 8;
/// When a host that waits for its owner is to ask again, in seconds.
const RETRY: u32 = 5;

/// The authority at its address, not serving yet.
#[derive(Debug)]
pub struct JoinServer {
    listener: Listener,
    desk: Desk,
}

/// Why the authority cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be bound.
    #[error(
        "the authority cannot listen on {address}: {source}; choose another `listen` in \
         `[authority]`, or stop what uses it"
    )]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// It broke off.
    #[error("the authority's server broke off: {0}")]
    Broken(#[from] tonic::transport::Error),
}

/// Where requests are taken.
#[derive(Debug, Clone)]
struct Desk {
    registrar: Arc<Registrar>,
    judges: Arc<Semaphore>,
    /// What ends the stream of each host.
    watches: Arc<Mutex<HashMap<String, CancellationToken>>>,
    stop: CancellationToken,
}

impl JoinServer {
    /// Binds `address` for this authority.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        registrar: Arc<Registrar>,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let listener = Listener::bind(address, Arc::clone(&registrar)).await;
        let listener = listener.map_err(|source| StartError::Bind { address, source })?;
        let desk = Desk {
            registrar,
            judges: Arc::new(Semaphore::new(JUDGES)),
            watches: Arc::default(),
            stop,
        };
        Ok(Self { listener, desk })
    }

    /// Where it listens, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves, and looks after the authority, until it is told to stop.
    ///
    /// # Errors
    /// Where the server breaks off.
    pub async fn run(self) -> Result<(), StartError> {
        let Self { listener, desk } = self;
        let stop = desk.stop.clone();
        let looking = tokio::spawn(Arc::clone(&desk.registrar).watch_over(stop.clone()));
        let service = JoinServiceServer::new(desk).max_decoding_message_size(MAX_REQUEST);
        let served = Server::builder()
            .max_concurrent_streams(MAX_STREAMS)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .timeout(PATIENCE)
            .add_service(service)
            .serve_with_incoming_shutdown(listener, stop.cancelled_owned())
            .await;
        looking.abort();
        Ok(served?)
    }
}

impl Desk {
    /// Judges on a thread that may wait for the disk. Who is believed is no stranger.
    async fn judge<R: Send + 'static, T: Send + 'static>(
        &self,
        request: Request<R>,
        judge: impl FnOnce(&Registrar, &R, SystemTime) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Status> {
        let (_, extensions, request) = request.into_parts();
        let place = Arc::clone(&self.judges).acquire_owned().await;
        let place = place.map_err(|_| Status::unavailable("the authority stops"))?;
        let registrar = Arc::clone(&self.registrar);
        let judging = tokio::task::spawn_blocking(move || {
            let judged = judge(&registrar, &request, SystemTime::now());
            drop(place);
            judged
        });
        let judged = judging.await.map_err(|error| {
            tracing::error!(%error, "judging a request was broken off");
            Status::internal("the authority failed; its log says why")
        })?;
        let answer = judged.inspect_err(tell)?;
        if !is_taken_in(&extensions) {
            return Err(Refusal::TooMany.into());
        }
        Ok(answer)
    }

    fn credentials(&self, host: &cofferdam_trust::PeerName, chain: String) -> Credentials {
        Credentials {
            certificate_chain: chain,
            trust: Some(self.registrar.roster().borrow().trust.clone()),
            host: host.to_string(),
            authority: self.registrar.name().to_string(),
        }
    }

    /// The token that ends a host's new stream; the one before ends now.
    fn watch_of(&self, host: &str) -> CancellationToken {
        let token = self.stop.child_token();
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|_, watch| !watch.is_cancelled());
        if let Some(before) = watches.insert(host.to_owned(), token.clone()) {
            before.cancel();
        }
        token
    }
}

/// Strangers can be refused as often as they like, and are not told of in the log.
fn tell(refusal: &Refusal) {
    if refusal.is_of_strangers() {
        tracing::debug!(%refusal, "a stranger is refused");
    } else {
        tracing::warn!(%refusal, "a host is refused");
    }
}

/// Whether the connection has its place among those that are somebody's.
fn is_taken_in(extensions: &Extensions) -> bool {
    extensions.get::<Guest>().is_some_and(Guest::proved)
}

#[tonic::async_trait]
impl JoinService for Desk {
    async fn enrol(
        &self,
        request: Request<EnrolRequest>,
    ) -> Result<Response<EnrolResponse>, Status> {
        let judged = self.judge(request, Registrar::enrol).await;
        let answer = match self.registrar.counters().enrolments.count(judged)? {
            Answer::Pending => WireAnswer::Pending(Pending { retry_after_seconds: RETRY }),
            Answer::Certified { host, chain } => {
                WireAnswer::Credentials(self.credentials(&host, chain))
            }
        };
        Ok(Response::new(EnrolResponse { answer: Some(answer) }))
    }

    async fn renew(
        &self,
        request: Request<RenewRequest>,
    ) -> Result<Response<RenewResponse>, Status> {
        let judged = self.judge(request, Registrar::renew).await;
        let credentials = match self.registrar.counters().renewals.count(judged)? {
            Answer::Certified { host, chain } => Some(self.credentials(&host, chain)),
            Answer::Pending => return Err(Refusal::UnknownHost.into()),
        };
        Ok(Response::new(RenewResponse { credentials }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let judged = self.judge(request, Registrar::watcher).await;
        let said = self.registrar.counters().watches.count(judged)?;
        let end = self.watch_of(&said.host);
        let roster = self.registrar.roster();
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            tokio::select! {
                () = send_lists(roster, said.host, said.version, &sender) => {}
                () = end.cancelled() => {}
                () = sender.closed() => {}
            }
            end.cancel();
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// Sends each newer list, until the host is none any more.
async fn send_lists(
    mut roster: watch::Receiver<Arc<Roster>>,
    host: String,
    mut seen: u64,
    to: &mpsc::Sender<Result<WatchResponse, Status>>,
) {
    loop {
        let now = Arc::clone(&roster.borrow_and_update());
        if now.version > seen {
            seen = now.version;
            let list = WatchResponse { trust: Some(now.trust.clone()) };
            if to.send(Ok(list)).await.is_err() {
                return;
            }
        }
        // The list comes first: it says to everybody what the end says to this host.
        if !now.hosts.contains_key(&host) {
            drop(to.send(Err(Refusal::Revoked.into())).await);
            return;
        }
        if roster.changed().await.is_err() {
            return;
        }
    }
}
