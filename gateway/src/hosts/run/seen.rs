//! Looks at a run that was left to itself: for who asks later how it came out.

use std::time::Duration;

use cofferdam_proto::exec::v1::{Finished, Held, Layer, RunState, RunSummary, Sandbox};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_stream::StreamExt;

use super::super::{Host, HostError};
use super::follower::Follower;
use crate::excerpt::Collector;
use crate::record::Looked;

/// The longest that what is there already may take to arrive.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Bytes before the end in which the last line is looked for.
const LAST: u64 = 2048;

/// What there is of a run.
pub(crate) struct SeenRun {
    /// How it ended; none: it goes on.
    pub(crate) finished: Option<Finished>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) stdout: Collector,
    pub(crate) stderr: Collector,
}

impl Host {
    /// What the host holds of a run's output, and how it ended if it has.
    pub(crate) async fn see(
        &self,
        looked: &Looked,
        run: &RunSummary,
        budget: usize,
    ) -> Result<SeenRun, HostError> {
        let mut follower = Follower::new(budget, watch::Sender::default());
        let finished = self.catch_up(looked, run, [0, 0], &mut follower).await?;
        let Follower { mut layers, stdout, stderr, .. } = follower;
        let sandbox = finished.as_ref().and_then(|finished| finished.sandbox.as_ref());
        if let Some(Sandbox { layers: last, .. }) = sandbox
            && !last.is_empty()
        {
            layers.clone_from(last);
        }
        Ok(SeenRun { finished, layers, stdout, stderr })
    }

    /// The last line that a run printed, if there is one.
    pub(crate) async fn last_line(
        &self,
        looked: &Looked,
        run: &RunSummary,
    ) -> Result<Option<String>, HostError> {
        let (last_line, line) = watch::channel(String::new());
        let mut follower = Follower::new(usize::try_from(LAST).unwrap_or(usize::MAX), last_line);
        let from = held(run).map(|held| held.start.max(held.end.saturating_sub(LAST)));
        self.catch_up(looked, run, from, &mut follower).await?;
        let line = line.borrow().clone();
        Ok(Some(line).filter(|line| !line.is_empty()))
    }

    /// Takes what was printed until `run` was described, or until its end.
    async fn catch_up(
        &self,
        looked: &Looked,
        run: &RunSummary,
        from: [u64; 2],
        follower: &mut Follower,
    ) -> Result<Option<Finished>, HostError> {
        let until = held(run).map(|held| held.end);
        let has_ended = run.state() == RunState::Ended;
        let deadline = Instant::now() + CATCH_UP;
        let mut events = self.watch(looked, &run.run_id, from).await?;
        while has_ended || follower.totals().iter().zip(until).any(|(now, then)| *now < then) {
            let broken =
                |reason: String| HostError::Broken { host: self.name().to_owned(), reason };
            match timeout_at(deadline, events.next()).await {
                Ok(Some(Ok(event))) => {
                    if let Some(finished) = follower.take(event) {
                        return Ok(Some(finished));
                    }
                }
                Ok(Some(Err(status))) => return Err(HostError::from_status(self.name(), &status)),
                Ok(None) => return Err(broken("its output broke off".to_owned())),
                Err(_) => return Err(broken("its output does not arrive".to_owned())),
            }
        }
        Ok(None)
    }
}

fn held(run: &RunSummary) -> [Held; 2] {
    [run.stdout, run.stderr].map(Option::unwrap_or_default)
}
