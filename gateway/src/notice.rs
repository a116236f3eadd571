//! Notices what was changed outside of the running gateway about its hosts: which are
//! held back.
//!
//! Looked at twice a second, which costs one question to SQLite while nothing changes.
//! What holds a host back counts at once; what lets it go, once the journal has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_journal::AppendError;
use tokio_util::sync::CancellationToken;

use crate::holds::{HeldBack, Holds, HoldsError};
use crate::hosts::Hosts;
use crate::record::Recorder;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// What is looked at, and how it was.
#[derive(Debug)]
pub(crate) struct Notice {
    holds: Holds,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    version: Option<i64>,
    holds: BTreeMap<String, HeldBack>,
}

/// Why a change does not count, or not in full, yet.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// It cannot be read.
    #[error(transparent)]
    Holds(#[from] HoldsError),
    /// It cannot be recorded.
    #[error("cannot record that a host is held back or let go: {0}")]
    Unrecorded(#[from] AppendError),
}

impl Notice {
    pub(crate) fn new(holds: Holds) -> Self {
        Self { holds, seen: Mutex::default() }
    }

    /// Looks once.
    pub(crate) fn look(&self, hosts: &Hosts, recorder: &Recorder) -> Result<(), NoticeError> {
        // What was seen is replaced at the end, whole.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.holds.version()?;
        if seen.version == Some(version) {
            return Ok(());
        }
        let now = self.holds.now()?;
        hosts.hold(stricter(&seen.holds, &now));
        for change in self.holds.unrecorded()? {
            recorder.peer(change.record())?;
            self.holds.recorded(&change)?;
        }
        hosts.hold(now.clone());
        *seen = Seen { version: Some(version), holds: now };
        Ok(())
    }
}

/// What either of them holds back.
fn stricter(
    before: &BTreeMap<String, HeldBack>,
    now: &BTreeMap<String, HeldBack>,
) -> BTreeMap<String, HeldBack> {
    let mut both = now.clone();
    for (host, HeldBack { drained, frozen }) in before {
        let held_back = both.entry(host.clone()).or_default();
        held_back.drained = held_back.drained.take().or_else(|| drained.clone());
        held_back.frozen = held_back.frozen.take().or_else(|| frozen.clone());
    }
    both
}

/// Looks until shutdown.
pub(crate) async fn notice(gateway: Arc<crate::gateway::Gateway>, shutdown: CancellationToken) {
    let mut told = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let gateway = Arc::clone(&gateway);
        match tokio::task::spawn_blocking(move || gateway.look_around()).await {
            Ok(Ok(())) => told = None,
            // The same is told once.
            Ok(Err(error)) if told.as_deref() == Some(&*error.to_string()) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "what is said of hosts does not count yet");
                told = Some(error.to_string());
            }
            Err(error) => tracing::error!(%error, "looking at the hosts was broken off"),
        }
    }
}
