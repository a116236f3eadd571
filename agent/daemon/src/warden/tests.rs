//! Beside a warden that does as it is told, on a socket that outlives it.

use std::collections::HashSet;
use std::os::unix::net::{UnixListener, UnixStream as StdStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use cofferdam_plan::channel::{receive, send};
use cofferdam_plan::{AbsolutePath, WardenEvent};
use tempfile::TempDir;

use super::*;
use crate::cell::deaf;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(5);
const CELL: CellId = CellId([1; 16]);

/// Where it listens, and what it is told.
struct Place {
    directory: TempDir,
    listener: UnixListener,
    /// It does nothing, as after SIGSTOP.
    stopped: Arc<AtomicBool>,
    heard: Receiver<WardenRequest>,
    tell: Sender<WardenRequest>,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let (tell, heard) = channel();
        Self { directory, listener, stopped: Arc::default(), heard, tell }
    }

    /// The agent's end.
    fn reached(&self, away: Duration, silent: Duration) -> Warden {
        let path = self.directory.path().join("socket");
        Warden::with(Endpoint::Path(path), Patience { away, silent }).unwrap()
    }

    /// A warden without cells.
    fn start(&self) {
        let listener = self.listener.try_clone().unwrap();
        let (stopped, tell) = (Arc::clone(&self.stopped), self.tell.clone());
        thread::spawn(move || serve(&listener, &stopped, &tell));
    }

    fn stop(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::Relaxed);
    }
}

/// Serves one agent after the other, until one has it destroy a cell: it dies of that.
fn serve(listener: &UnixListener, stopped: &AtomicBool, tell: &Sender<WardenRequest>) {
    let wait = || {
        while stopped.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
    };
    let mut cells = HashSet::new();
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        wait();
        while let Ok((request, _)) = receive::<WardenRequest>(&stream) {
            wait();
            let building = |cell| WardenEvent::Building { cell, uid: 1, cgroup: String::new() };
            let event = match request {
                WardenRequest::Build(ref plan) => {
                    cells.insert(plan.cell);
                    building(plan.cell)
                }
                WardenRequest::Adopt(cell) if cells.contains(&cell) => building(cell),
                WardenRequest::Adopt(cell) => WardenEvent::Gone { cell },
                WardenRequest::MakeLeaf(leaf, _) | WardenRequest::RemoveLeaf(leaf, _) => {
                    WardenEvent::Leaf { leaf, there: false, detail: String::new() }
                }
                WardenRequest::Records => WardenEvent::Records(String::new()),
                WardenRequest::Destroy(_) => return,
            };
            // Not every test listens.
            drop(tell.send(request));
            if send(&stream, &event, &[]).is_err() {
                break;
            }
        }
    }
}

fn plan(cell: CellId) -> CellPlan {
    CellPlan { cell, ..deaf::plan() }
}

async fn build(warden: &Warden, plan: CellPlan) -> Result<Building, WardenError> {
    let (_ours, theirs) = StdStream::pair().unwrap();
    warden.build(plan, theirs.into()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warden_that_comes_after_it_was_given_up_serves_whoever_asks_next() {
    let place = Place::new();
    let warden = place.reached(Duration::from_millis(300), LONG);
    place.start();
    let mut cell = build(&warden, plan(CELL)).await.unwrap();
    // It dies, and its socket stays: who connects waits for the next one.
    warden.destroy(CELL).await.unwrap();
    timeout(LONG, cell.gone.wait()).await.unwrap();
    assert!(warden.cells().is_empty() && !warden.is_there().await);
    place.start();
    let built = timeout(LONG / 2, build(&warden, plan(CellId([2; 16])))).await;
    built.expect("the next one listens to a connection that was given up").unwrap();
    assert!(warden.is_there().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_without_end_for_a_warden_that_hangs_and_it_is_told() {
    let place = Place::new();
    let warden = place.reached(Duration::from_secs(1), Duration::from_millis(300));
    place.start();
    let mut cell = build(&warden, plan(CELL)).await.unwrap();
    assert!(warden.is_there().await);
    place.stop(true);
    assert!(!warden.is_there().await);
    let leaf = Leaf { cell: CELL, number: 1 };
    let made = timeout(LONG, warden.make_leaf(leaf, Limits::default())).await.unwrap();
    assert!(matches!(made, Err(WardenError::Silent)), "{made:?}");
    // It is being connected to anew; who only looks does not wait for that.
    assert_eq!(warden.cells().len(), 1);
    let ended = timeout(LONG, warden.end_leaf(leaf)).await.unwrap();
    assert!(!matches!(ended, Ok(true)), "{ended:?}");
    timeout(LONG, cell.gone.wait()).await.unwrap();
    // As an agent does that starts beside it.
    assert!(timeout(LONG, warden.adopt(CellId([9; 16]))).await.unwrap().is_err());
    place.stop(false);
    timeout(LONG, build(&warden, plan(CellId([2; 16])))).await.unwrap().unwrap();
    assert!(warden.is_there().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warden_that_hung_for_a_while_is_asked_anew_and_has_its_cells() {
    let place = Place::new();
    let warden = place.reached(LONG, Duration::from_millis(200));
    place.start();
    let cell = build(&warden, plan(CELL)).await.unwrap();
    place.stop(true);
    let asked = warden.clone();
    let ended = tokio::spawn(async move { asked.end_leaf(Leaf { cell: CELL, number: 1 }).await });
    sleep(Duration::from_millis(700)).await;
    place.stop(false);
    assert!(timeout(LONG, ended).await.unwrap().unwrap().unwrap());
    assert!(!cell.gone.is_gone());
    assert_eq!(warden.cells().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_waits_for_any_more_is_sent_whole() {
    let place = Place::new();
    let warden = place.reached(LONG, LONG);
    place.start();
    place.stop(true);
    let asked = warden.clone();
    let records = tokio::spawn(async move { asked.records().await.map(drop) });
    sleep(Duration::from_millis(100)).await;
    // More than a socket holds.
    let mut long = plan(CELL);
    long.workspace.sockets = vec![AbsolutePath::new("/x".repeat(2000)).unwrap(); 110];
    let built = timeout(Duration::from_millis(100), build(&warden, long.clone())).await;
    assert!(built.is_err(), "the warden hangs");
    place.stop(false);
    timeout(LONG, records).await.unwrap().unwrap().unwrap();
    assert_eq!(place.heard.recv_timeout(LONG).unwrap(), WardenRequest::Records);
    assert_eq!(place.heard.recv_timeout(LONG).unwrap(), WardenRequest::Build(long));
    timeout(LONG, build(&warden, plan(CellId([2; 16])))).await.unwrap().unwrap();
}
