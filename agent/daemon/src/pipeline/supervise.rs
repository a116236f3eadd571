//! Watches a run that is under way: its output, its callers, its time.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::cap::CappedLimits;
use crate::cell::{Cell, Next, Running};
use crate::outcome::Ended;
use crate::registry::Run;
use crate::spool::LimitHit;

/// How long a run goes on after its last reader left.
const ALONE: Duration = Duration::from_secs(2);
/// How much longer than its wall time a run may take before its cell is given
/// up: PID 1 keeps the time, this is for a PID 1 that does not.
const OVERTIME: Duration = Duration::from_secs(10);

/// How a run went.
#[derive(Debug)]
pub(super) struct Supervised {
    /// What its cell says.
    pub(super) next: Next,
    /// What the agent did to it.
    pub(super) ended: Ended,
}

/// Follows a started run to its end.
pub(super) async fn supervise(
    cell: &Cell,
    mut running: Running,
    run: &Run,
    pump: &mut JoinHandle<Result<(), LimitHit>>,
    limits: &CappedLimits,
) -> Supervised {
    let wall = Duration::from_millis(limits.wall_millis) + OVERTIME;
    let mut overtime = std::pin::pin!(tokio::time::sleep(wall));
    let mut cancelled = std::pin::pin!(cancelled(run));
    let mut ended = Ended::ByItself;
    let mut pumping = true;
    loop {
        tokio::select! {
            next = running.ended() => return Supervised { next, ended },
            pumped = &mut *pump, if pumping => {
                pumping = false;
                if matches!(pumped, Ok(Err(LimitHit { .. }))) && ended == Ended::ByItself {
                    ended = Ended::ForOutput;
                    cell.kill(run.id()).await;
                }
            }
            by = &mut cancelled, if ended == Ended::ByItself => {
                ended = Ended::For(by);
                cell.cancel(run.id()).await;
            }
            () = &mut overtime => {
                tracing::error!("a cell does not keep its run's time; it is given up");
                return Supervised { next: Next::Vanished, ended };
            }
        }
    }
}

/// Waits until somebody cancels the run, or nobody has followed it for a while.
async fn cancelled(run: &Run) -> &'static str {
    let alone = async {
        loop {
            run.spool().abandoned().await;
            if tokio::time::timeout(ALONE, run.spool().attended()).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        by = run.cancelled() => by,
        () = alone => "a caller that left",
    }
}
