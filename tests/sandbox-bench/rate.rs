//! Cells per second: each is built, runs one program and ends, and nothing of
//! it is left; one after the other, and several at a time.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cofferdam_plan::channel::{receive, send};
use cofferdam_plan::{CellEvent, CellId, WardenEvent, WardenRequest};
use cofferdam_tests::measure::Samples;
use cofferdam_tests::measure::run::{null, timed};
use cofferdam_tests::measure::spawn::TRUE;
use cofferdam_tests::warden::{Warden, cell_plan, run_plan, workspace};

/// Cells at the same time, one load for each number.
const IN_FLIGHT: [usize; 3] = [1, 2, 8];

/// What one load showed.
pub(crate) struct Rate {
    pub(crate) in_flight: usize,
    pub(crate) per_second: f64,
    /// Of one cell, from the request to the word that nothing of it is left.
    pub(crate) lives: Samples,
}

/// What a warden said of a cell that somebody waits for: that it is gone, or
/// why there is none.
type Answer = Result<(), String>;

/// One warden and those who ask it.
struct Load<'a> {
    asking: Mutex<UnixStream>,
    waiting: Mutex<HashMap<CellId, mpsc::Sender<Answer>>>,
    begun: AtomicUsize,
    workspace: &'a Path,
    null: File,
}

/// Takes so many cells for each number in flight.
pub(crate) fn measure(cells: usize) -> anyhow::Result<Vec<Rate>> {
    let (_directory, workspace) = workspace();
    let root = workspace.parent().context("the workspace lies in a directory")?;
    IN_FLIGHT
        .into_iter()
        .map(|in_flight| {
            let warden = Warden::start_logging(root, Stdio::null());
            let load = Load {
                asking: Mutex::new(warden.socket()),
                waiting: Mutex::default(),
                begun: AtomicUsize::new(0),
                workspace: &workspace,
                null: null()?,
            };
            load.drive(warden, in_flight, cells)
        })
        .collect()
}

impl Load<'_> {
    fn drive(&self, warden: Warden, in_flight: usize, cells: usize) -> anyhow::Result<Rate> {
        let events = warden.socket();
        std::thread::scope(|scope| {
            scope.spawn(|| self.listen(&events));
            let began = Instant::now();
            let callers: Vec<_> =
                (0..in_flight).map(|_| scope.spawn(|| self.call(cells))).collect();
            let lives = callers.into_iter().map(|caller| {
                caller.join().unwrap_or_else(|_| bail!("a caller ended before its time"))
            });
            let lives = lives.collect::<anyhow::Result<Vec<_>>>()?.concat();
            let elapsed = began.elapsed();
            // The listener ends with the warden.
            drop(warden);
            let count = u32::try_from(lives.len()).context("too many cells")?;
            let per_second = f64::from(count) / elapsed.as_secs_f64();
            Ok(Rate { in_flight, per_second, lives: lives.into_iter().collect() })
        })
    }

    /// Takes the warden's words to whoever waits for them.
    fn listen(&self, events: &UnixStream) {
        while let Ok((event, _)) = receive::<WardenEvent>(events) {
            let (cell, answer) = match event {
                WardenEvent::Gone { cell } => (cell, Ok(())),
                WardenEvent::Refused { cell, detail, .. } => (cell, Err(detail)),
                _ => continue,
            };
            if let Some(caller) = lock(&self.waiting).remove(&cell) {
                // A caller that failed waits no more.
                _ = caller.send(answer);
            }
        }
    }

    fn call(&self, cells: usize) -> anyhow::Result<Vec<Duration>> {
        let mut lives = Vec::new();
        while self.begun.fetch_add(1, Ordering::Relaxed) < cells {
            lives.push(self.live()?);
        }
        Ok(lives)
    }

    /// One cell from its beginning to its end.
    fn live(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let plan = cell_plan(self.workspace);
        let (control, cell_end) = UnixStream::pair()?;
        let (answer, told) = mpsc::channel();
        lock(&self.waiting).insert(plan.cell, answer);
        send(&*lock(&self.asking), &WardenRequest::Build(plan), &[cell_end.as_fd()])?;
        drop(cell_end);
        match receive::<CellEvent>(&control) {
            Ok((CellEvent::Ready(_), _)) => {}
            Ok((other, _)) => bail!("no cell: {other:?}"),
            Err(error) => bail!("no cell: {error}: {:?}", told.try_recv()),
        }
        timed(&control, run_plan(self.workspace, &[TRUE]), &self.null)?;
        drop(control);
        told.recv()?.map_err(anyhow::Error::msg)?;
        Ok(began.elapsed())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
