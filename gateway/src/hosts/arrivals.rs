//! Connections that a host made to the gateway and on which it waits to be called.
//!
//! They are authenticated before they come here. The newest is taken first, because
//! of those that broke without a word it is the least likely one; where there are too
//! many, the oldest goes.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use cofferdam_trust::PeerConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Connections of one host that wait.
const WAITING: usize = 4;
/// Connections of one host, those in use included: two are, and for a while twice as
/// many where others take their place.
const PER_HOST: usize = 12;
/// The longest wait for a host that is about to dial.
const PATIENCE: Duration = Duration::from_secs(4);
/// The same for one that did not come the last time.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// The connections of one host.
#[derive(Debug)]
pub(super) struct Arrivals {
    waiting: Mutex<Waiting>,
    /// How many came so far.
    came: watch::Sender<u64>,
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Waiting {
    connections: VecDeque<PeerConnection>,
    /// Somebody waited for one in vain, and none came since.
    is_absent: bool,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            came: watch::Sender::new(0),
            places: Arc::new(Semaphore::new(PER_HOST)),
        }
    }

    /// A place for one more connection; none: the host has as many as it may.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Takes a connection that came.
    pub(super) fn put(&self, connection: PeerConnection) {
        let mut waiting = self.lock();
        waiting.connections.push_back(connection);
        if waiting.connections.len() > WAITING {
            waiting.connections.pop_front();
        }
        waiting.is_absent = false;
        drop(waiting);
        self.came.send_modify(|came| *came += 1);
    }

    /// Forgets those that wait: they are not to be used any more.
    pub(super) fn clear(&self) {
        self.lock().connections.clear();
    }

    /// Tells whenever one comes.
    pub(super) fn came(&self) -> watch::Receiver<u64> {
        self.came.subscribe()
    }

    /// The newest that waits, or the next that comes soon.
    ///
    /// # Errors
    /// Where none comes.
    pub(super) async fn next(&self) -> io::Result<PeerConnection> {
        let mut came = self.came();
        let patience = if self.lock().is_absent { IMPATIENCE } else { PATIENCE };
        let next = async {
            loop {
                if let Some(connection) = self.take() {
                    return connection;
                }
                // The sender is this.
                drop(came.changed().await);
            }
        };
        if let Ok(connection) = tokio::time::timeout(patience, next).await {
            return Ok(connection);
        }
        self.lock().is_absent = true;
        Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "it dials this gateway by itself, and no connection of it is there",
        ))
    }

    /// One whose certificate has not lapsed while it waited.
    fn take(&self) -> Option<PeerConnection> {
        let mut waiting = self.lock();
        let now = SystemTime::now();
        loop {
            let connection = waiting.connections.pop_back()?;
            if connection.peer().is_current(now) {
                return Some(connection);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A queue is whole whenever its lock is given back.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
