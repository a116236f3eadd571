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

use crate::hosts::Hosts;
use crate::record::Recorder;
use crate::standings::{Standing, Standings, StandingsError};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// What is looked at, and how it was.
#[derive(Debug)]
pub(crate) struct Notice {
    standings: Standings,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    version: Option<i64>,
    standings: BTreeMap<String, Standing>,
}

/// Why a change does not count, or not in full, yet.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// It cannot be read.
    #[error(transparent)]
    Standings(#[from] StandingsError),
    /// It cannot be recorded.
    #[error("cannot record that a host is held back or let go: {0}")]
    Unrecorded(#[from] AppendError),
}

impl Notice {
    pub(crate) fn new(standings: Standings) -> Self {
        Self { standings, seen: Mutex::default() }
    }

    /// Looks once.
    pub(crate) fn look(&self, hosts: &Hosts, recorder: &Recorder) -> Result<(), NoticeError> {
        // What was seen is replaced at the end, whole.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.standings.version()?;
        if seen.version == Some(version) {
            return Ok(());
        }
        let now = self.standings.now()?;
        hosts.hold(stricter(&seen.standings, &now));
        for change in self.standings.unrecorded()? {
            recorder.peer(change.record())?;
            self.standings.recorded(&change)?;
        }
        hosts.hold(now.clone());
        *seen = Seen { version: Some(version), standings: now };
        Ok(())
    }
}

/// What either of them holds back.
fn stricter(
    before: &BTreeMap<String, Standing>,
    now: &BTreeMap<String, Standing>,
) -> BTreeMap<String, Standing> {
    let mut both = now.clone();
    for (host, Standing { drained, frozen }) in before {
        let standing = both.entry(host.clone()).or_default();
        standing.drained = standing.drained.take().or_else(|| drained.clone());
        standing.frozen = standing.frozen.take().or_else(|| frozen.clone());
    }
    both
}

/// Looks until shutdown.
pub(crate) async fn notice(gateway: Arc<crate::gateway::Gateway>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let gateway = Arc::clone(&gateway);
        match tokio::task::spawn_blocking(move || gateway.look_around()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "what is said about hosts does not count yet")
            }
            Err(error) => tracing::error!(%error, "looking at the hosts was broken off"),
        }
    }
}
