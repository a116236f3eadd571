//! A listener: accepts, serves each connection in a task of its own, reports
//! each, and ends with all of them.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cofferdam_proxy_protocol::{
    ConnectionReport, ListenerId, Lists, ProxyEvent, ServeLimits, Totals, Verdict,
};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::account::Account;
use crate::agent::Shared;
use crate::client;
use crate::dial::Dialer;

/// How long accepting rests when the host has no descriptor left.
const REST: Duration = Duration::from_millis(50);

/// What one listener serves.
#[derive(Debug)]
pub(crate) struct Served {
    id: ListenerId,
    pub(crate) lists: Lists,
    limits: ServeLimits,
    shared: Shared,
    events: mpsc::Sender<ProxyEvent>,
    /// Reports that may still be sent.
    reports: AtomicU32,
    totals: Mutex<Totals>,
}

/// A listener that is served; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
}

impl Running {
    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.stop.is_closed()
    }
}

impl Served {
    pub(crate) fn new(
        id: ListenerId,
        lists: Lists,
        limits: ServeLimits,
        shared: Shared,
        events: mpsc::Sender<ProxyEvent>,
    ) -> Self {
        let reports = AtomicU32::new(limits.reports);
        Self { id, lists, limits, shared, events, reports, totals: Mutex::default() }
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.shared.dialer
    }

    /// How long a tunnel may rest.
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(self.limits.idle_seconds.max(1).into())
    }

    /// Starts to serve `listener`.
    pub(crate) fn start(self, listener: TcpListener) -> std::io::Result<Running> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(Arc::new(self).run(listener, stopped));
        Ok(Running { stop })
    }

    async fn run(
        self: Arc<Self>,
        listener: tokio::net::TcpListener,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let own = Arc::new(Semaphore::new(self.limits.connections.max(1) as usize));
        let mut connections = JoinSet::new();
        let (closing, closed) = watch::channel(());
        loop {
            tokio::select! {
                // Nothing is ever sent: the other end is dropped.
                _ = &mut stopped => break,
                Some(_) = connections.join_next() => {}
                (client, room) = accept(&listener, &own) => {
                    let served = Arc::clone(&self).connection(client, room, closed.clone());
                    connections.spawn(served);
                }
            }
        }
        drop((listener, closing, closed));
        while connections.join_next().await.is_some() {}
        let totals = *self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        // An agent that is gone needs no totals.
        let _ = self.events.send(ProxyEvent::Stopped { listener: self.id, totals }).await;
    }

    async fn connection(
        self: Arc<Self>,
        client: TcpStream,
        room: Option<OwnedSemaphorePermit>,
        mut closed: watch::Receiver<()>,
    ) {
        let account = Account::new();
        let serving = async {
            // Never closed, so there always is a permit in the end.
            let _everyones = self.shared.connections.acquire().await;
            client::serve(client, &self, &account).await
        };
        let end = tokio::select! {
            end = serving => end,
            // Ended from outside: what was allowed stays so in the record.
            _ = closed.changed() => Ok(()),
        };
        drop(room);
        if let Some(report) = account.close(self.id, end) {
            self.tell(report).await;
        }
    }

    async fn tell(&self, report: ConnectionReport) {
        let told = self
            .reports
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok();
        {
            let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
            match report.verdict {
                Verdict::Allowed => totals.allowed += 1,
                Verdict::Refused(_) => totals.refused += 1,
            }
            totals.unreported += u64::from(!told);
            totals.sent += report.sent;
            totals.received += report.received;
        }
        if told {
            let _ = self.events.send(ProxyEvent::Connection(report)).await;
        }
    }
}

/// The next connection, once there is room for it: the others wait in the
/// socket's queue.
async fn accept(
    listener: &tokio::net::TcpListener,
    own: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Never closed, so there always is a permit in the end.
    let room = Arc::clone(own).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((client, _)) => return (client, room),
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                tokio::time::sleep(REST).await;
            }
        }
    }
}
