//! The wait for a record to be kept by the disk.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::watch;

use crate::shared::{AppendError, Progress, Shared};

/// Resolves once one record is durable. What runs or writes waits for it before
/// it starts; dropping it abandons the wait, not the record.
#[derive(Debug)]
#[must_use = "a record that nobody waits for may be lost in a crash"]
pub struct Durable {
    sequence: u64,
    progress: watch::Receiver<Progress>,
    /// To be told that somebody waits. It does not keep the journal open.
    shared: Weak<Shared>,
}

impl Durable {
    pub(crate) fn new(sequence: u64, shared: &Arc<Shared>) -> Self {
        Self { sequence, progress: shared.progress(), shared: Arc::downgrade(shared) }
    }

    /// Waits until the record is on disk.
    pub async fn wait(mut self) -> Result<(), AppendError> {
        let sequence = self.sequence;
        let is_there = self.progress.borrow().durable >= sequence;
        if let (false, Some(shared)) = (is_there, self.shared.upgrade()) {
            shared.hurry(sequence);
        }
        self.reach(|progress| progress.durable >= sequence).await
    }

    /// Waits until the record is written to the file; a crash of the process no
    /// longer loses it, one of the machine may.
    pub async fn written(&mut self) -> Result<(), AppendError> {
        let sequence = self.sequence;
        self.reach(|progress| progress.written >= sequence).await
    }

    /// As [`wait`](Self::wait), for a thread that runs no async code.
    pub fn wait_blocking(self) -> Result<(), AppendError> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut waiting = pin!(self.wait());
        loop {
            match waiting.as_mut().poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    async fn reach(&mut self, done: impl Fn(&Progress) -> bool) -> Result<(), AppendError> {
        let progress = self
            .progress
            .wait_for(|progress| done(progress) || progress.failed.is_some())
            .await
            .map_err(|_| AppendError::Closed)?;
        match &progress.failed {
            Some(error) if !done(&progress) => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// Wakes a thread that waits without a runtime.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
