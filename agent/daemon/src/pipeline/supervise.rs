//! Watches a run that is under way: its output, its callers, its time.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cap::CappedLimits;
use crate::cell::{Cell, Next, Running};
use crate::outcome::Ended;
use crate::planner::GRACE;
use crate::registry::{Order, Run};
use crate::restart::run::Words;
use crate::spool::LimitHit;
use cofferdam_plan::run::RunSignal;

/// How long a run goes on after its last reader left.
const ALONE: Duration = Duration::from_secs(2);
/// The same after a restart of the agent, which its gateway has to notice first.
const RESUMED: Duration = Duration::from_mins(1);
/// How much longer than its wall time, or than the grace after it was told to end,
/// a run may take before its cell is given up: PID 1 keeps the time and ends runs,
/// this is for a PID 1 that does not.
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
    before: (Ended, Duration),
    out_of_memory: impl Fn() -> bool,
) -> Supervised {
    let (mut ended, since) = before;
    let wall = Duration::from_millis(limits.wall_millis).saturating_sub(since) + OVERTIME;
    let mut overtime = std::pin::pin!(sleep(wall));
    let patience = if since.is_zero() { ALONE } else { RESUMED };
    let mut cancelled = std::pin::pin!(cancelled(run, patience));
    if ended != Ended::ByItself {
        // An earlier process did, and nobody knows whether the cell heard it.
        cell.kill(run.id());
        overtime.set(sleep(OVERTIME));
    }
    let mut pumping = true;
    let mut silence = Silence::begin(limits.idle_millis);
    let mut glance = tokio::time::interval(GLANCE);
    let mut orders = run.orders();
    let mut signals = Vec::new();
    loop {
        let untouched = ended == Ended::ByItself;
        tokio::select! {
            next = running.ended() => {
                return Supervised { next, ended, overtime: false, signals };
            }
            order = next_order(&mut orders), if untouched => match order {
                Order::Signal(signal) => pass_on(signal, cell, run, &mut signals),
                Order::Kill => ended = Ended::For("caller"),
            },
            pumped = &mut *pump, if pumping => {
                pumping = false;
                if matches!(pumped, Ok(Err(LimitHit { .. }))) && untouched {
                    ended = Ended::ForOutput;
                }
            }
            by = &mut cancelled, if untouched => {
                cell.cancel(run.id());
                ended = Ended::For(by);
                note(run, &ended);
                overtime.set(sleep(GRACE + OVERTIME));
                continue;
            }
            _ = glance.tick(), if untouched => {
                if silence.is_too_long(run) {
                    ended = Ended::ForSilence;
                } else if out_of_memory() {
                    // The rest of it cannot know that a part is gone.
                    ended = Ended::ForMemory;
                }
            }
            () = &mut overtime => {
                tracing::error!("a cell does not end its run in time; it is given up");
                return Supervised { next: Next::Vanished, ended, overtime: true, signals };
            }
        }
        if untouched && ended != Ended::ByItself {
            note(run, &ended);
            cell.kill(run.id());
            overtime.set(sleep(OVERTIME));
        }
    }
}

/// Sends a signal that its caller wants sent; the next process is to know of it.
fn pass_on(signal: RunSignal, cell: &Cell, run: &Run, signals: &mut Vec<i32>) {
    let number = i32::from(signal as u8);
    if !signals.contains(&number) {
        signals.push(number);
    }
    run.note(&Words { signals: vec![number], ..Words::default() });
    cell.signal(run.id(), signal);
}

/// Has the next process know what was done to it, too.
fn note(run: &Run, ended: &Ended) {
    let (ended_for, cancelled) = match ended {
        Ended::ByItself => (0, String::new()),
        Ended::ForOutput => (1, String::new()),
        Ended::ForSilence => (2, String::new()),
        Ended::ForMemory => (3, String::new()),
        Ended::For(by) => (0, (*by).to_owned()),
    };
    run.note(&Words { cancelled, ended_for, ..Words::default() });
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
async fn cancelled(run: &Run, mut patience: Duration) -> &'static str {
    let alone = async {
        loop {
            run.spool().abandoned().await;
            let left = tokio::time::timeout(patience, run.spool().attended()).await.is_err();
            if left && !run.is_kept() {
                break;
            }
            run.spool().attended().await;
            patience = ALONE;
        }
    };
    tokio::select! {
        by = run.cancelled() => by,
        () = alone => "a caller that left",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::deaf;
    use crate::config::Limits;
    use crate::registry::{Begin, Entered, Registry};

    const LIMITS: CappedLimits = CappedLimits {
        memory_bytes: 0,
        swap_bytes: 0,
        processes: 0,
        cpu_millis: 0,
        cpu_weight: 0,
        io_bytes_per_second: 0,
        idle_millis: None,
        wall_millis: 3_600_000,
        output_bytes: 0,
        file_size_bytes: 0,
        open_files: 0,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cell_that_does_not_end_a_cancelled_run_is_given_up_long_before_its_wall_time() {
        let (cell, _destroyed) = deaf::cell(true).await;
        let registry = Registry::new(Limits::default());
        let begin = Begin { spool: (16, 16), ..Begin::default() };
        let Ok(Entered::New(run)) = registry.enter(begin) else { panic!("no run") };
        let running = cell.start(deaf::run(0, 1), None).await.unwrap();
        // Whoever else starts something there fills the socket meanwhile.
        let stuck = async { drop(cell.start(deaf::run(1, 1 << 20), None).await) };
        let supervised = async {
            run.keep();
            run.cancel("caller");
            let mut pump = tokio::spawn(std::future::pending());
            let before = (Ended::ByItself, Duration::ZERO);
            supervise(&cell, running, &run, &mut pump, &LIMITS, before, || false).await
        };
        let before = Instant::now();
        tokio::select! {
            biased;
            supervised = supervised => {
                assert!(supervised.overtime);
                assert_eq!(supervised.ended, Ended::For("caller"));
            }
            () = async { stuck.await; std::future::pending().await } => {}
        }
        let took = before.elapsed();
        assert!((GRACE..GRACE + OVERTIME * 2).contains(&took), "{took:?}");
    }
}
