//! Watches a run that is under way: its output, its callers, its time.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cap::CappedLimits;
use crate::cell::{Cell, Next, Running};
use crate::outcome::Ended;
use crate::registry::{Order, Run};
use crate::spool::LimitHit;

/// How long a run goes on after its last reader left.
const ALONE: Duration = Duration::from_secs(2);
/// How much longer than its wall time a run may take before its cell is given
/// up: PID 1 keeps the time, this is for a PID 1 that does not.
const OVERTIME: Duration = Duration::from_secs(10);

/// How often a run's silence and memory are looked at.
const GLANCE: Duration = Duration::from_millis(250);

/// How a run went.
#[derive(Debug)]
pub(super) struct Supervised {
    /// What its cell says.
    pub(super) next: Next,
    /// What the agent did to it.
    pub(super) ended: Ended,
    /// Its cell did not keep its time.
    pub(super) overtime: bool,
    /// Signals that its caller had it sent, by number.
    pub(super) signals: Vec<i32>,
}

/// Follows a started run to its end.
pub(super) async fn supervise(
    cell: &Cell,
    mut running: Running,
    run: &Run,
    pump: &mut JoinHandle<Result<(), LimitHit>>,
    limits: &CappedLimits,
    out_of_memory: impl Fn() -> bool,
) -> Supervised {
    let wall = Duration::from_millis(limits.wall_millis) + OVERTIME;
    let mut overtime = std::pin::pin!(tokio::time::sleep(wall));
    let mut cancelled = std::pin::pin!(cancelled(run));
    let mut ended = Ended::ByItself;
    let mut pumping = true;
    let mut silence = Silence::begin(limits.idle_millis);
    let mut glance = tokio::time::interval(GLANCE);
    let mut orders = run.orders();
    let mut signals = Vec::new();
    loop {
        tokio::select! {
            next = running.ended() => {
                return Supervised { next, ended, overtime: false, signals };
            }
            order = next_order(&mut orders), if ended == Ended::ByItself => match order {
                Order::Signal(signal) => {
                    if !signals.contains(&i32::from(signal as u8)) {
                        signals.push((signal as u8).into());
                    }
                    cell.signal(run.id(), signal).await;
                }
                Order::Kill => {
                    ended = Ended::For("caller");
                    cell.kill(run.id()).await;
                }
            },
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
            _ = glance.tick(), if ended == Ended::ByItself => {
                if silence.is_too_long(run) {
                    ended = Ended::ForSilence;
                } else if out_of_memory() {
                    // The rest of it cannot know that a part is gone.
                    ended = Ended::ForMemory;
                }
                if ended != Ended::ByItself {
                    cell.kill(run.id()).await;
                }
            }
            () = &mut overtime => {
                tracing::error!("a cell does not keep its run's time; it is given up");
                return Supervised { next: Next::Vanished, ended, overtime: true, signals };
            }
        }
    }
}

/// The next order; the run itself holds the sending end.
async fn next_order(orders: &mut Option<mpsc::Receiver<Order>>) -> Order {
    match orders {
        Some(orders) => match orders.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// How long a run has printed nothing.
struct Silence {
    most: Option<Duration>,
    printed: u64,
    since: Instant,
}

impl Silence {
    fn begin(most: Option<u64>) -> Self {
        Self { most: most.map(Duration::from_millis), printed: 0, since: Instant::now() }
    }

    fn is_too_long(&mut self, run: &Run) -> bool {
        let [stdout, stderr] = run.spool().lengths();
        let printed = stdout + stderr;
        if printed != self.printed {
            (self.printed, self.since) = (printed, Instant::now());
        }
        self.most.is_some_and(|most| self.since.elapsed() >= most)
    }
}

/// Waits until somebody cancels the run, or nobody has followed it for a while
/// though it is none that is kept.
async fn cancelled(run: &Run) -> &'static str {
    let alone = async {
        loop {
            run.spool().abandoned().await;
            let left = tokio::time::timeout(ALONE, run.spool().attended()).await.is_err();
            if left && !run.is_kept() {
                break;
            }
            run.spool().attended().await;
        }
    };
    tokio::select! {
        by = run.cancelled() => by,
        () = alone => "a caller that left",
    }
}
