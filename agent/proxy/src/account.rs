//! The account of one connection, from which its report is written.
//!
//! Kept outside the task that serves the connection, so that a connection which
//! is ended from outside is reported too, with the bytes that it moved.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cofferdam_proxy_protocol::{ConnectionReport, ListenerId, Protocol, Refusal, Target, Verdict};

/// What is known of a connection so far.
#[derive(Debug)]
pub(crate) struct Account {
    started: Instant,
    /// Bytes from the run to the target.
    sent: AtomicU64,
    /// Bytes from the target to the run.
    received: AtomicU64,
    /// When a byte moved last, in milliseconds after `started`.
    moved: AtomicU64,
    asked: Mutex<Asked>,
}

#[derive(Debug)]
struct Asked {
    /// Whether the run sent anything at all.
    spoke: bool,
    protocol: Protocol,
    name: String,
    port: u16,
    address: Option<IpAddr>,
}

/// A direction in which bytes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the run to the target.
    Out,
    /// From the target to the run.
    In,
}

impl Account {
    pub(crate) fn new() -> Self {
        let asked = Asked {
            spoke: false,
            protocol: Protocol::Unknown,
            name: String::new(),
            port: 0,
            address: None,
        };
        Self {
            started: Instant::now(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            asked: Mutex::new(asked),
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        // Each change below is one assignment: a panic leaves nothing half done.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run sent its first byte.
    pub(crate) fn spoke(&self, protocol: Protocol) {
        let mut asked = self.asked();
        asked.spoke = true;
        asked.protocol = protocol;
    }

    /// The run asked for this.
    pub(crate) fn asked_for(&self, protocol: Protocol, target: &Target) {
        let mut asked = self.asked();
        asked.protocol = protocol;
        asked.name = target.place.to_string();
        asked.port = target.port;
    }

    /// This address was connected to.
    pub(crate) fn connected(&self, address: IpAddr) {
        self.asked().address = Some(address);
    }

    /// Bytes have moved.
    pub(crate) fn moved(&self, direction: Direction, bytes: usize) {
        let counter = match direction {
            Direction::Out => &self.sent,
            Direction::In => &self.received,
        };
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// Ends when no byte has moved for `limit`.
    pub(crate) async fn idle(&self, limit: Duration) {
        loop {
            let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
            let still = self.started.elapsed().saturating_sub(moved);
            match limit.checked_sub(still) {
                None | Some(Duration::ZERO) => return,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }

    /// The report, if the run sent anything.
    pub(crate) fn close(
        &self,
        listener: ListenerId,
        end: Result<(), Refusal>,
    ) -> Option<ConnectionReport> {
        let asked = self.asked();
        asked.spoke.then(|| ConnectionReport {
            listener,
            protocol: asked.protocol,
            name: asked.name.clone(),
            port: asked.port,
            address: asked.address,
            verdict: match end {
                Ok(()) => Verdict::Allowed,
                Err(refusal) => Verdict::Refused(refusal),
            },
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            micros: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }
}
